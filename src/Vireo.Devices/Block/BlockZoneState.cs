namespace Vireo.Devices.Block;

/// <summary>In which state a zone is (VIRTIO 1.4 §5.2.6).</summary>
public enum BlockZoneState : byte
{
    /// <summary>Without write pointer: conventional.</summary>
    NotWritePointer = 0,

    /// <summary>Nothing is written.</summary>
    Empty = 1,

    /// <summary>Opened by a write.</summary>
    ImplicitlyOpen = 2,

    /// <summary>Opened by the driver.</summary>
    ExplicitlyOpen = 3,

    /// <summary>Written in part, and not open.</summary>
    Closed = 4,

    /// <summary>Can only be read, for good.</summary>
    ReadOnly = 13,

    /// <summary>Nothing more can be written.</summary>
    Full = 14,

    /// <summary>Neither read nor written, for good.</summary>
    Offline = 15,
}
