using Microsoft.Win32.SafeHandles;

namespace Vireo.Backends.Block.Engines;

/// <summary>The descriptors of one file; their owner closes them after all engines are gone.</summary>
/// <param name="Main">Opened as the operator wished.</param>
/// <param name="Cached">Through the page cache; the same object where Main is that, too.</param>
internal sealed record FilePair(SafeFileHandle Main, SafeFileHandle Cached)
{
    /// <summary>The descriptor a request uses.</summary>
    public SafeFileHandle Of(FileChoice choice) => choice == FileChoice.Main ? Main : Cached;
}
