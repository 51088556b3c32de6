namespace Vireo.Cli.Commands.Images;

/// <summary>How results are printed.</summary>
internal enum OutputForm
{
    /// <summary>For people.</summary>
    Human,

    /// <summary>In the form of qemu-img's JSON.</summary>
    Json,
}
