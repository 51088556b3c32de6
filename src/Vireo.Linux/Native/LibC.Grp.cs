using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary>grp.h.</summary>
[CHeader("grp.h")]
internal static partial class LibC
{
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial int getgrnam_r(string name, group* grp, byte* buf, nuint buflen, group** result);
}
