using System.Runtime.InteropServices.Marshalling;
using Vireo.Linux.Events;
using Vireo.Linux.Files;

namespace Vireo.Linux.Rbd;

/// <summary>An image of a Ceph cluster, by the host's librbd. Requests are made and taken back without waiting.</summary>
/// <remarks>
/// Requests and <see cref="TakeEvents"/>: any thread, several at once. No code of ours runs on librbd's threads: they signal <see cref="Events"/>, and whoever
/// watches it takes what has ended. <see cref="Dispose"/> once nothing is on its way.
/// </remarks>
public sealed class RbdImage : IDisposable
{
    /// <summary>The most pieces of memory that one request may have: the kernel's IOV_MAX, which librbd keeps to.</summary>
    public const int VectorsMax = 1024;

    private const int BatchMax = 32;

    /// <summary>EVENT_TYPE_EVENTFD.</summary>
    private const int NotifyByEventFd = 2;

    /// <summary>RBD_WRITE_ZEROES_FLAG_THICK_PROVISION.</summary>
    private const int KeepsRoom = 1;

    private readonly RbdLibrary _library;
    private readonly EventFd _events;
    private readonly string _name;
    private nint _cluster;
    private nint _context;
    private nint _image;

    private RbdImage(RbdLibrary library, RbdImageOptions options)
    {
        _library = library;
        _name = $"{options.Pool}/{options.Image}";
        _events = EventFd.Create();
    }

    /// <summary>Readable when requests have ended; drain it before taking them.</summary>
    public EventFd Events => _events;

    /// <summary>Whether <see cref="WriteZeroes"/> can be called: librbd of Ceph 16 or newer.</summary>
    // SAFETY: a pointer is compared.
    public unsafe bool CanWriteZeroes => _library.WriteZeroes is not null;

    /// <summary>Connects to a cluster and opens an image, however long that takes.</summary>
    /// <param name="options">Which, and how.</param>
    /// <returns>The image, the caller's.</returns>
    /// <exception cref="PlatformNotSupportedException">The host has no librbd.</exception>
    /// <exception cref="LinuxException">The cluster refused; the operation is the function's name.</exception>
    public static RbdImage Open(RbdImageOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        RbdImage image = new(RbdLibrary.Load(options.LibraryFolder), options);
        try
        {
            image.Connect(options);
            image.OpenImage(options);
            return image;
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    /// <summary>The image's size in bytes now.</summary>
    /// <exception cref="LinuxException">It cannot be told.</exception>
    // SAFETY: librbd fills a local variable.
    public unsafe long GetLengthBytes()
    {
        ulong length = 0;
        ThrowIfNegative(_library.GetSize(_image, &length), "rbd_get_size", _name);
        return length <= long.MaxValue ? (long)length : throw new LinuxException(Errno.EFBIG, "rbd_get_size", _name);
    }

    /// <summary>Begins to read.</summary>
    /// <param name="vectors">Where to, at most <see cref="VectorsMax"/>; they and their memory stay where they are until the end.</param>
    /// <param name="offsetBytes">First byte of the image.</param>
    /// <param name="cookie">Tells of the end.</param>
    /// <returns>0 when the end will be told of; a negated errno when there is no request.</returns>
    // SAFETY: librbd keeps the pointer until the request ends, and the caller promises that the array is pinned until then.
    public unsafe int Read(ReadOnlySpan<IoVector> vectors, long offsetBytes, ulong cookie)
    {
        int result = Begin(cookie, out nint completion);
        if (result < 0)
        {
            return result;
        }

        fixed (IoVector* first = vectors)
        {
            result = _library.ReadVectors(_image, first, vectors.Length, (ulong)offsetBytes, completion);
        }

        return Begun(result, completion);
    }

    /// <summary>Begins to write.</summary>
    /// <param name="vectors">The bytes, at most <see cref="VectorsMax"/>; they and their memory stay where they are until the end.</param>
    /// <param name="offsetBytes">First byte of the image.</param>
    /// <param name="cookie">Tells of the end.</param>
    /// <returns>As of <see cref="Read"/>.</returns>
    // SAFETY: as in Read.
    public unsafe int Write(ReadOnlySpan<IoVector> vectors, long offsetBytes, ulong cookie)
    {
        int result = Begin(cookie, out nint completion);
        if (result < 0)
        {
            return result;
        }

        fixed (IoVector* first = vectors)
        {
            result = _library.WriteVectors(_image, first, vectors.Length, (ulong)offsetBytes, completion);
        }

        return Begun(result, completion);
    }

    /// <summary>Begins to make everything stable that has been written.</summary>
    /// <param name="cookie">Tells of the end.</param>
    /// <returns>As of <see cref="Read"/>.</returns>
    // SAFETY: handles of librbd's own.
    public unsafe int Flush(ulong cookie)
    {
        int result = Begin(cookie, out nint completion);
        return result < 0 ? result : Begun(_library.Flush(_image, completion), completion);
    }

    /// <summary>Begins to forget a range.</summary>
    /// <param name="offsetBytes">First byte of the image.</param>
    /// <param name="lengthBytes">Bytes, at least 1.</param>
    /// <param name="cookie">Tells of the end.</param>
    /// <returns>As of <see cref="Read"/>.</returns>
    // SAFETY: as in Flush.
    public unsafe int Discard(long offsetBytes, long lengthBytes, ulong cookie)
    {
        int result = Begin(cookie, out nint completion);
        return result < 0
            ? result
            : Begun(_library.Discard(_image, (ulong)offsetBytes, (ulong)lengthBytes, completion), completion);
    }

    /// <summary>Begins to make a range read as zeroes. Only where <see cref="CanWriteZeroes"/>.</summary>
    /// <param name="offsetBytes">First byte of the image.</param>
    /// <param name="lengthBytes">Bytes, at least 1.</param>
    /// <param name="mayUnmap">Whether the storage behind it may be freed.</param>
    /// <param name="cookie">Tells of the end.</param>
    /// <returns>As of <see cref="Read"/>.</returns>
    // SAFETY: as in Flush; the function is there where CanWriteZeroes says so, and nothing is called where it is not.
    public unsafe int WriteZeroes(long offsetBytes, long lengthBytes, bool mayUnmap, ulong cookie)
    {
        if (!CanWriteZeroes)
        {
            return -(int)Errno.EOPNOTSUPP;
        }

        int result = Begin(cookie, out nint completion);
        return result < 0
            ? result
            : Begun(
                _library.WriteZeroes(
                    _image,
                    (ulong)offsetBytes,
                    (nuint)lengthBytes,
                    completion,
                    mayUnmap ? 0 : KeepsRoom,
                    0
                ),
                completion
            );
    }

    /// <summary>Takes requests that have ended.</summary>
    /// <param name="events">Filled from its beginning.</param>
    /// <returns>How many; 0 when none has.</returns>
    // SAFETY: librbd fills at most as many pointers as it is told of. Each is a completion that has ended, is looked at, and released once.
    public unsafe int TakeEvents(Span<RbdEvent> events)
    {
        nint* ended = stackalloc nint[BatchMax];
        int count = _library.PollIoEvents(_image, ended, Math.Min(events.Length, BatchMax));
        for (int index = 0; index < count; index++)
        {
            events[index] = new((ulong)_library.GetArgument(ended[index]), _library.GetReturnValue(ended[index]));
            _library.ReleaseCompletion(ended[index]);
        }

        return Math.Max(count, 0);
    }

    /// <summary>Closes the image and leaves the cluster. Nothing may be on its way.</summary>
    // SAFETY: each handle is given back once, in the reverse order of their making; the descriptor outlives the image that writes to it.
    public unsafe void Dispose()
    {
        if (_image != 0)
        {
            _ = _library.Close(_image);
            _image = 0;
        }

        if (_context != 0)
        {
            _library.RadosIoctxDestroy(_context);
            _context = 0;
        }

        if (_cluster != 0)
        {
            _library.RadosShutdown(_cluster);
            _cluster = 0;
        }

        _events.Dispose();
    }

    private static void ThrowIfNegative(int result, string function, string detail)
    {
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), function, detail);
        }
    }

    // SAFETY: strings live during the calls that take them; librados copies what it keeps, and fills fields that are on the stack meanwhile.
    private unsafe void Connect(RbdImageOptions options)
    {
        nint cluster = 0;
        byte* user = Utf8StringMarshaller.ConvertToUnmanaged(options.User);
        byte* file = Utf8StringMarshaller.ConvertToUnmanaged(options.ConfigurationFile);
        try
        {
            ThrowIfNegative(_library.RadosCreate(&cluster, user), "rados_create", options.User ?? "admin");
            _cluster = cluster;
            int result = _library.RadosConfReadFile(_cluster, file);
            // A host without a configuration may have it all in the settings.
            if (file is not null || result != -(int)Errno.ENOENT)
            {
                ThrowIfNegative(result, "rados_conf_read_file", options.ConfigurationFile ?? "/etc/ceph/ceph.conf");
            }
        }
        finally
        {
            Utf8StringMarshaller.Free(user);
            Utf8StringMarshaller.Free(file);
        }

        foreach ((string name, string value) in options.Settings)
        {
            Set(name, value);
        }

        ThrowIfNegative(_library.RadosConnect(_cluster), "rados_connect", _name);
    }

    // SAFETY: as in Connect.
    private unsafe void Set(string name, string value)
    {
        byte* first = Utf8StringMarshaller.ConvertToUnmanaged(name);
        byte* second = Utf8StringMarshaller.ConvertToUnmanaged(value);
        try
        {
            ThrowIfNegative(_library.RadosConfSet(_cluster, first, second), "rados_conf_set", $"{name}={value}");
        }
        finally
        {
            Utf8StringMarshaller.Free(first);
            Utf8StringMarshaller.Free(second);
        }
    }

    // SAFETY: as in Connect; the descriptor is ours and stays open until the image is closed.
    private unsafe void OpenImage(RbdImageOptions options)
    {
        nint made = 0;
        byte* pool = Utf8StringMarshaller.ConvertToUnmanaged(options.Pool);
        byte* space = Utf8StringMarshaller.ConvertToUnmanaged(options.Namespace);
        byte* name = Utf8StringMarshaller.ConvertToUnmanaged(options.Image);
        byte* snapshot = Utf8StringMarshaller.ConvertToUnmanaged(options.Snapshot);
        try
        {
            ThrowIfNegative(_library.RadosIoctxCreate(_cluster, pool, &made), "rados_ioctx_create", options.Pool);
            _context = made;
            _library.RadosIoctxSetNamespace(_context, space);
            made = 0;
            bool isReadOnly = options.IsReadOnly || options.Snapshot is not null;
            int result = isReadOnly
                ? _library.OpenReadOnly(_context, name, &made, snapshot)
                : _library.Open(_context, name, &made, snapshot);
            ThrowIfNegative(result, "rbd_open", options.Snapshot is null ? _name : $"{_name}@{options.Snapshot}");
            _image = made;
        }
        finally
        {
            Utf8StringMarshaller.Free(pool);
            Utf8StringMarshaller.Free(space);
            Utf8StringMarshaller.Free(name);
            Utf8StringMarshaller.Free(snapshot);
        }

        using DescriptorLease lease = new(_events.Handle);
        ThrowIfNegative(
            _library.SetImageNotification(_image, lease.Number, NotifyByEventFd),
            "rbd_set_image_notification",
            _name
        );
    }

    // SAFETY: librbd fills a local variable; the argument is a number to it. No function is called back.
    private unsafe int Begin(ulong cookie, out nint completion)
    {
        nint made = 0;
        int result = _library.CreateCompletion(unchecked((nint)cookie), 0, &made);
        completion = made;
        return result;
    }

    // SAFETY: a completion whose request was not taken is nobody's but ours. One whose request was taken may be gone already.
    private unsafe int Begun(int result, nint completion)
    {
        if (result < 0)
        {
            _library.ReleaseCompletion(completion);
        }

        return Math.Min(result, 0);
    }
}
