namespace Vireo.Linux.Files;

/// <summary>What the kernel can be asked to do with zones.</summary>
public enum DeviceZoneAction
{
    /// <summary>Open them.</summary>
    Open,

    /// <summary>Close them.</summary>
    Close,

    /// <summary>Make them full.</summary>
    Finish,

    /// <summary>Make them empty.</summary>
    Reset,
}
