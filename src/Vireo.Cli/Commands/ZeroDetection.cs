namespace Vireo.Cli.Commands;

/// <summary>What becomes of writes that consist of zeroes; the names on the command line are those of QEMU.</summary>
internal enum ZeroDetection
{
    /// <summary>They are written.</summary>
    Off,

    /// <summary>They are made zeroes in the cheapest way that keeps their room.</summary>
    Keep,

    /// <summary>They are made zeroes, and their room may be given back.</summary>
    Unmap,
}
