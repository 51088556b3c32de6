namespace Vireo.Backends.Block.Images;

/// <summary>How a disk is laid out in files.</summary>
public enum ImageFormat
{
    /// <summary>Byte N of the disk is byte N of the file.</summary>
    Raw,

    /// <summary>QEMU's own format, versions 2 and 3.</summary>
    Qcow2,

    /// <summary>VirtualBox.</summary>
    Vdi,

    /// <summary>VMware: monolithic sparse, stream-optimized and flat.</summary>
    Vmdk,

    /// <summary>Virtual PC and Hyper-V's first format: fixed, dynamic and differencing.</summary>
    Vhd,

    /// <summary>Hyper-V's second format.</summary>
    Vhdx,
}
