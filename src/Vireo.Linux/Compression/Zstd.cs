using System.Runtime.InteropServices;

namespace Vireo.Linux.Compression;

/// <summary>Zstandard, by the host's libzstd, which is loaded when it is first needed.</summary>
/// <remarks>Any thread, several at once.</remarks>
public static class Zstd
{
    private const string Library = "libzstd.so.1";

    /// <summary>What libzstd takes when nobody says otherwise.</summary>
    private const int UsualLevel = 3;

    private static readonly Lazy<Entries> Loaded = new(Load);

    /// <summary>Compresses.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="destination">Where the compressed ones go.</param>
    /// <returns>How many bytes they are; 0 when there is not enough room.</returns>
    /// <exception cref="PlatformNotSupportedException">The host has no libzstd.</exception>
    // SAFETY: both ranges are pinned during the call, and libzstd stays within the lengths it is given.
    public static unsafe int Compress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        Entries entries = Loaded.Value;
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            nuint result = ((delegate* unmanaged<byte*, nuint, byte*, nuint, int, nuint>)entries.Compress)(
                to,
                (nuint)destination.Length,
                from,
                (nuint)source.Length,
                UsualLevel
            );
            return IsError(entries, result) ? 0 : (int)result;
        }
    }

    /// <summary>Decompresses the first frame.</summary>
    /// <param name="source">The frame; what follows it is not looked at.</param>
    /// <param name="destination">Filled.</param>
    /// <returns>False when it is no frame, is broken, or has another length.</returns>
    /// <exception cref="PlatformNotSupportedException">The host has no libzstd.</exception>
    // SAFETY: as in Compress.
    public static unsafe bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        Entries entries = Loaded.Value;
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            nuint length = ((delegate* unmanaged<byte*, nuint, nuint>)entries.FrameLength)(from, (nuint)source.Length);
            if (IsError(entries, length) || length > (nuint)source.Length)
            {
                return false;
            }

            nuint result = ((delegate* unmanaged<byte*, nuint, byte*, nuint, nuint>)entries.Decompress)(
                to,
                (nuint)destination.Length,
                from,
                length
            );
            return !IsError(entries, result) && result == (nuint)destination.Length;
        }
    }

    // SAFETY: the function takes a number and returns one.
    private static unsafe bool IsError(Entries entries, nuint result) =>
        ((delegate* unmanaged<nuint, uint>)entries.IsError)(result) != 0;

    private static Entries Load()
    {
        if (!NativeLibrary.TryLoad(Library, out nint library))
        {
            throw new PlatformNotSupportedException(
                $"zstd needs {Library}, which this host does not have; install libzstd"
            );
        }

        return new(
            NativeLibrary.GetExport(library, "ZSTD_compress"),
            NativeLibrary.GetExport(library, "ZSTD_decompress"),
            NativeLibrary.GetExport(library, "ZSTD_findFrameCompressedSize"),
            NativeLibrary.GetExport(library, "ZSTD_isError")
        );
    }

    private sealed record Entries(nint Compress, nint Decompress, nint FrameLength, nint IsError);
}
