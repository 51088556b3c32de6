namespace Vireo.Devices.Block;

/// <summary>What a driver can do with a zone (VIRTIO 1.4 §5.2.6).</summary>
public enum BlockZoneAction
{
    /// <summary>Open it.</summary>
    Open,

    /// <summary>Close it.</summary>
    Close,

    /// <summary>Make it full.</summary>
    Finish,

    /// <summary>Make it empty.</summary>
    Reset,

    /// <summary>Make all zones empty.</summary>
    ResetAll,
}
