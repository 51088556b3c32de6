namespace Vireo.Linux.Native;

/// <summary>The C library's doors into the kernel, one file per header, with the names of C.</summary>
/// <remarks>
/// Fixed-width parameters are int, uint, long and ulong; <c>long</c>, <c>size_t</c> and <c>ssize_t</c> of C are nint and
/// nuint. Every size, offset and constant is proven against the headers by the tests in Vireo.Tests/Abi.
/// </remarks>
internal static partial class LibC
{
    private const string Library = "libc";
}
