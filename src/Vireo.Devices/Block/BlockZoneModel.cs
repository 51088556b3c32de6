namespace Vireo.Devices.Block;

/// <summary>How a disk is divided into zones; the numbers are those of the configuration space (VIRTIO 1.4 §5.2.4).</summary>
public enum BlockZoneModel
{
    /// <summary>Not at all, as far as a driver can tell.</summary>
    None = 0,

    /// <summary>Sequential zones are written in order, and reset before they are written anew.</summary>
    HostManaged = 1,

    /// <summary>Sequential zones are better written in order.</summary>
    HostAware = 2,
}
