using System.Runtime.InteropServices;
using Vireo.Linux.Files;

namespace Vireo.Linux.Rbd;

/// <summary>The functions of librados and librbd, loaded when they are first needed and kept to the process's end.</summary>
/// <remarks>Parameters are those of <c>rados/librados.h</c> and <c>rbd/librbd.h</c>; all handles are pointers to what the libraries own.</remarks>
// SAFETY: each pointer is the export of its name and has the parameters of the headers; callers keep to what those say about memory.
internal sealed unsafe class RbdLibrary
{
    private const string RadosName = "librados.so.2";
    private const string RbdName = "librbd.so.1";

    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, RbdLibrary> Loaded = [];

    private RbdLibrary(nint rados, nint rbd)
    {
        RadosCreate = (delegate* unmanaged<nint*, byte*, int>)Export(rados, "rados_create");
        RadosConfReadFile = (delegate* unmanaged<nint, byte*, int>)Export(rados, "rados_conf_read_file");
        RadosConfSet = (delegate* unmanaged<nint, byte*, byte*, int>)Export(rados, "rados_conf_set");
        RadosConnect = (delegate* unmanaged<nint, int>)Export(rados, "rados_connect");
        RadosShutdown = (delegate* unmanaged<nint, void>)Export(rados, "rados_shutdown");
        RadosIoctxCreate = (delegate* unmanaged<nint, byte*, nint*, int>)Export(rados, "rados_ioctx_create");
        RadosIoctxSetNamespace = (delegate* unmanaged<nint, byte*, void>)Export(rados, "rados_ioctx_set_namespace");
        RadosIoctxDestroy = (delegate* unmanaged<nint, void>)Export(rados, "rados_ioctx_destroy");
        Open = (delegate* unmanaged<nint, byte*, nint*, byte*, int>)Export(rbd, "rbd_open");
        OpenReadOnly = (delegate* unmanaged<nint, byte*, nint*, byte*, int>)Export(rbd, "rbd_open_read_only");
        Close = (delegate* unmanaged<nint, int>)Export(rbd, "rbd_close");
        GetSize = (delegate* unmanaged<nint, ulong*, int>)Export(rbd, "rbd_get_size");
        SetImageNotification = (delegate* unmanaged<nint, int, int, int>)Export(rbd, "rbd_set_image_notification");
        PollIoEvents = (delegate* unmanaged<nint, nint*, int, int>)Export(rbd, "rbd_poll_io_events");
        CreateCompletion = (delegate* unmanaged<nint, nint, nint*, int>)Export(rbd, "rbd_aio_create_completion");
        ReleaseCompletion = (delegate* unmanaged<nint, void>)Export(rbd, "rbd_aio_release");
        GetReturnValue = (delegate* unmanaged<nint, nint>)Export(rbd, "rbd_aio_get_return_value");
        GetArgument = (delegate* unmanaged<nint, nint>)Export(rbd, "rbd_aio_get_arg");
        ReadVectors = (delegate* unmanaged<nint, IoVector*, int, ulong, nint, int>)Export(rbd, "rbd_aio_readv");
        WriteVectors = (delegate* unmanaged<nint, IoVector*, int, ulong, nint, int>)Export(rbd, "rbd_aio_writev");
        Flush = (delegate* unmanaged<nint, nint, int>)Export(rbd, "rbd_aio_flush");
        Discard = (delegate* unmanaged<nint, ulong, ulong, nint, int>)Export(rbd, "rbd_aio_discard");

        // Ceph before 16 has none.
        WriteZeroes = NativeLibrary.TryGetExport(rbd, "rbd_aio_write_zeroes", out nint writeZeroes)
            ? (delegate* unmanaged<nint, ulong, nuint, nint, int, int, int>)writeZeroes
            : null;
    }

    public delegate* unmanaged<nint*, byte*, int> RadosCreate { get; }

    public delegate* unmanaged<nint, byte*, int> RadosConfReadFile { get; }

    public delegate* unmanaged<nint, byte*, byte*, int> RadosConfSet { get; }

    public delegate* unmanaged<nint, int> RadosConnect { get; }

    public delegate* unmanaged<nint, void> RadosShutdown { get; }

    public delegate* unmanaged<nint, byte*, nint*, int> RadosIoctxCreate { get; }

    public delegate* unmanaged<nint, byte*, void> RadosIoctxSetNamespace { get; }

    public delegate* unmanaged<nint, void> RadosIoctxDestroy { get; }

    public delegate* unmanaged<nint, byte*, nint*, byte*, int> Open { get; }

    public delegate* unmanaged<nint, byte*, nint*, byte*, int> OpenReadOnly { get; }

    public delegate* unmanaged<nint, int> Close { get; }

    public delegate* unmanaged<nint, ulong*, int> GetSize { get; }

    public delegate* unmanaged<nint, int, int, int> SetImageNotification { get; }

    public delegate* unmanaged<nint, nint*, int, int> PollIoEvents { get; }

    public delegate* unmanaged<nint, nint, nint*, int> CreateCompletion { get; }

    public delegate* unmanaged<nint, void> ReleaseCompletion { get; }

    public delegate* unmanaged<nint, nint> GetReturnValue { get; }

    public delegate* unmanaged<nint, nint> GetArgument { get; }

    public delegate* unmanaged<nint, IoVector*, int, ulong, nint, int> ReadVectors { get; }

    public delegate* unmanaged<nint, IoVector*, int, ulong, nint, int> WriteVectors { get; }

    public delegate* unmanaged<nint, nint, int> Flush { get; }

    public delegate* unmanaged<nint, ulong, ulong, nint, int> Discard { get; }

    /// <summary>Null where the library is older than that.</summary>
    public delegate* unmanaged<nint, ulong, nuint, nint, int, int, int> WriteZeroes { get; }

    /// <summary>Loads the libraries, once for each folder. Any thread.</summary>
    /// <param name="folder">Where they are; null for wherever the loader finds them.</param>
    /// <exception cref="PlatformNotSupportedException">They are not there, or too old.</exception>
    public static RbdLibrary Load(string? folder)
    {
        lock (Gate)
        {
            string key = folder ?? "";
            if (!Loaded.TryGetValue(key, out RbdLibrary? library))
            {
                library = new(LoadOne(folder, RadosName), LoadOne(folder, RbdName));
                Loaded.Add(key, library);
            }

            return library;
        }
    }

    private static nint LoadOne(string? folder, string name) =>
        NativeLibrary.TryLoad(folder is null ? name : Path.Combine(folder, name), out nint library)
            ? library
            : throw new PlatformNotSupportedException(
                $"Ceph RBD needs {RadosName} and {RbdName}, and this host has no {name}; install librbd1 (Debian, Ubuntu, Fedora: the package's name)"
            );

    private static nint Export(nint library, string name) =>
        NativeLibrary.TryGetExport(library, name, out nint address)
            ? address
            : throw new PlatformNotSupportedException(
                $"the host's librbd has no {name}; install librbd1 of Ceph 12 or newer"
            );
}
