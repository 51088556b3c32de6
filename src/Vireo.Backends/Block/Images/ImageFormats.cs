namespace Vireo.Backends.Block.Images;

/// <summary>What formats are called, and how they are told by their first bytes.</summary>
public static class ImageFormats
{
    /// <summary>Bytes that suffice to tell the format.</summary>
    public const int ProbeBytes = 512;

    /// <summary>What a VDI has at this place, whichever program made it.</summary>
    private const int VdiMagicOffset = 64;

    /// <summary>The format that begins like this; raw when none does.</summary>
    /// <param name="first">The first bytes: <see cref="ProbeBytes"/> of them, or the whole of a shorter file.</param>
    public static ImageFormat Probe(ReadOnlySpan<byte> first)
    {
        if (first.StartsWith((ReadOnlySpan<byte>)[(byte)'Q', (byte)'F', (byte)'I', 0xFB]))
        {
            return ImageFormat.Qcow2;
        }

        if (first.StartsWith("KDMV"u8) || first.StartsWith("# Disk DescriptorFile"u8))
        {
            return ImageFormat.Vmdk;
        }

        if (first.StartsWith("conectix"u8))
        {
            return ImageFormat.Vhd;
        }

        if (first.StartsWith("vhdxfile"u8))
        {
            return ImageFormat.Vhdx;
        }

        bool isVdi =
            first.Length >= VdiMagicOffset + 4
            && first[VdiMagicOffset..].StartsWith((ReadOnlySpan<byte>)[0x7F, 0x10, 0xDA, 0xBE]);
        return isVdi ? ImageFormat.Vdi : ImageFormat.Raw;
    }

    /// <summary>What a format is called, in QEMU's spelling.</summary>
    public static string NameOf(ImageFormat format) =>
        format switch
        {
            ImageFormat.Qcow2 => "qcow2",
            ImageFormat.Vdi => "vdi",
            ImageFormat.Vmdk => "vmdk",
            ImageFormat.Vhd => "vpc",
            ImageFormat.Vhdx => "vhdx",
            _ => "raw",
        };

    /// <summary>The format with a name; null when there is none.</summary>
    /// <param name="name">As QEMU spells it; <c>vhd</c> is the same as <c>vpc</c>.</param>
    public static ImageFormat? TryParse(string name) =>
        name switch
        {
            "raw" or "file" or "host_device" => ImageFormat.Raw,
            "qcow2" => ImageFormat.Qcow2,
            "vdi" => ImageFormat.Vdi,
            "vmdk" => ImageFormat.Vmdk,
            "vpc" or "vhd" => ImageFormat.Vhd,
            "vhdx" => ImageFormat.Vhdx,
            _ => null,
        };
}
