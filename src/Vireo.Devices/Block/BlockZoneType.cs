namespace Vireo.Devices.Block;

/// <summary>What kind of zone it is (VIRTIO 1.4 §5.2.6).</summary>
public enum BlockZoneType : byte
{
    /// <summary>Written anywhere, like any disk.</summary>
    Conventional = 1,

    /// <summary>Must be written at the write pointer.</summary>
    SequentialRequired = 2,

    /// <summary>Should be written at the write pointer.</summary>
    SequentialPreferred = 3,
}
