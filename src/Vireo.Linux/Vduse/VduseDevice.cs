using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.Vduse;

/// <summary>A VDUSE device that this process implements: <c>/dev/vduse/NAME</c>.</summary>
/// <remarks>
/// Closing it leaves the device on its bus: messages, kicks and requests wait for the next process that opens it, as long as the
/// kernel's patience lasts (sysfs <c>msg_timeout</c>, 30 seconds).
/// </remarks>
public sealed class VduseDevice : IVduseDevice
{
    private readonly string _name;

    private VduseDevice(SafeFileHandle handle, string name)
    {
        Handle = handle;
        _name = name;
    }

    /// <inheritdoc/>
    public SafeFileHandle Handle { get; }

    /// <summary>Opens a device.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="LinuxException">EBUSY: another process has it open; ENOENT: there is none; EACCES: not allowed.</exception>
    public static VduseDevice Open(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        string path = $"/dev/vduse/{name}";
        return new(HostFile.Open(path, OpenFlags.ReadWrite | OpenFlags.NonBlocking), name);
    }

    /// <inheritdoc/>
    // SAFETY: the kernel fills a local number.
    public unsafe ulong ReadDriverFeatures()
    {
        ulong features;
        Call(LibC.VDUSE_DEV_GET_FEATURES, &features, nameof(LibC.VDUSE_DEV_GET_FEATURES));
        return features;
    }

    /// <inheritdoc/>
    // SAFETY: the kernel reads a local structure whose layout the Abi tests prove.
    public unsafe void SetUpQueue(int index, ushort sizeMax)
    {
        vduse_vq_config config = new() { index = (uint)index, max_size = sizeMax };
        Call(LibC.VDUSE_VQ_SETUP, &config, nameof(LibC.VDUSE_VQ_SETUP));
    }

    /// <inheritdoc/>
    // SAFETY: as in SetUpQueue.
    public unsafe VduseQueue ReadQueue(int index)
    {
        vduse_vq_info info = new() { index = (uint)index };
        Call(LibC.VDUSE_VQ_GET_INFO, &info, nameof(LibC.VDUSE_VQ_GET_INFO));
        return VduseQueue.From(info);
    }

    /// <inheritdoc/>
    // SAFETY: as in SetUpQueue; the lease keeps the number good during the call, after which the kernel has its own reference.
    public unsafe void SetKick(int index, EventFd? kick)
    {
        vduse_vq_eventfd argument = new() { index = (uint)index, fd = LibC.VDUSE_EVENTFD_DEASSIGN };
        if (kick is null)
        {
            Call(LibC.VDUSE_VQ_SETUP_KICKFD, &argument, nameof(LibC.VDUSE_VQ_SETUP_KICKFD));
            return;
        }

        using DescriptorLease lease = new(kick.Handle);
        argument.fd = lease.Number;
        Call(LibC.VDUSE_VQ_SETUP_KICKFD, &argument, nameof(LibC.VDUSE_VQ_SETUP_KICKFD));
    }

    /// <inheritdoc/>
    // SAFETY: the kernel reads a local number.
    public unsafe bool TryCall(int index)
    {
        uint argument = (uint)index;
        return LibC.ioctl(Handle, LibC.VDUSE_VQ_INJECT_IRQ, &argument) >= 0;
    }

    /// <inheritdoc/>
    // SAFETY: the kernel reads the structure and behind it as many bytes as its length says.
    public unsafe void WriteConfig(int offset, ReadOnlySpan<byte> source)
    {
        byte[] message = new byte[sizeof(vduse_config_data) + source.Length];
        source.CopyTo(message.AsSpan(sizeof(vduse_config_data)));
        fixed (byte* bytes = message)
        {
            *(vduse_config_data*)bytes = new() { offset = (uint)offset, length = (uint)source.Length };
            Call(LibC.VDUSE_DEV_SET_CONFIG, bytes, nameof(LibC.VDUSE_DEV_SET_CONFIG));
        }
    }

    /// <inheritdoc/>
    // SAFETY: the command has no argument.
    public unsafe bool TryCallConfig() => LibC.ioctl(Handle, LibC.VDUSE_DEV_INJECT_CONFIG_IRQ, null) >= 0;

    /// <inheritdoc/>
    // SAFETY: as in SetUpQueue. The number that comes back is a new descriptor of ours, wrapped at once.
    public unsafe VduseMapping? TryFindMapping(ulong first, ulong last)
    {
        vduse_iotlb_entry entry = new() { start = first, last = last };
        SafeFileHandle file = LibC.ioctl_descriptor(Handle, LibC.VDUSE_IOTLB_GET_FD, &entry);
        if (file.IsInvalid)
        {
            file.Dispose();
            return null;
        }

        const byte Readable = 1;
        const byte Writable = 2;
        return new(file)
        {
            FileOffset = entry.offset,
            First = entry.start,
            Last = entry.last,
            IsReadable = (entry.perm & Readable) != 0,
            IsWritable = (entry.perm & Writable) != 0,
        };
    }

    /// <inheritdoc/>
    // SAFETY: as in SetUpQueue.
    public unsafe VduseRange? TryFindRange(ulong first, ulong last)
    {
        vduse_iova_info info = new() { start = first, last = last };
        return LibC.ioctl(Handle, LibC.VDUSE_IOTLB_GET_INFO, &info) < 0
            ? null
            : new(info.start, info.last, (info.capability & LibC.VDUSE_IOVA_CAP_UMEM) != 0);
    }

    /// <inheritdoc/>
    // SAFETY: as in SetUpQueue. The kernel pins the pages it is told of, so that they outlive even a mapping that goes too early.
    public unsafe void LendMemory(VduseRange range, nint address)
    {
        vduse_iova_umem memory = Encode(range);
        memory.uaddr = (ulong)address;
        Call(LibC.VDUSE_IOTLB_REG_UMEM, &memory, nameof(LibC.VDUSE_IOTLB_REG_UMEM));
    }

    /// <inheritdoc/>
    // SAFETY: as in SetUpQueue.
    public unsafe void TakeMemoryBack(VduseRange range)
    {
        vduse_iova_umem memory = Encode(range);
        Call(LibC.VDUSE_IOTLB_DEREG_UMEM, &memory, nameof(LibC.VDUSE_IOTLB_DEREG_UMEM));
    }

    /// <inheritdoc/>
    // SAFETY: the kernel fills a local structure whose layout the Abi tests prove.
    public unsafe bool TryReceive(out VduseRequest request)
    {
        vduse_dev_request message;
        while (true)
        {
            nint result = LibC.read(Handle, &message, (nuint)sizeof(vduse_dev_request));
            if (result == sizeof(vduse_dev_request))
            {
                request = Decode(message);
                return true;
            }

            Errno error = result < 0 ? LinuxException.LastError : Errno.EIO;
            if (error == Errno.EAGAIN)
            {
                request = default;
                return false;
            }

            if (error != Errno.EINTR)
            {
                throw new LinuxException(error, nameof(LibC.read), $"/dev/vduse/{_name}");
            }
        }
    }

    /// <inheritdoc/>
    // SAFETY: the kernel reads a local structure whose layout the Abi tests prove.
    public unsafe bool TryAnswer(in VduseAnswer answer)
    {
        vduse_dev_response response = new()
        {
            request_id = answer.Id,
            result = answer.IsGood ? LibC.VDUSE_REQ_RESULT_OK : LibC.VDUSE_REQ_RESULT_FAILED,
        };
        if (answer.Position is { } position)
        {
            response.vq_index = answer.Queue;
            Encode(position, ref response);
        }

        while (LibC.write(Handle, &response, (nuint)sizeof(vduse_dev_response)) < 0)
        {
            Errno error = LinuxException.LastError;
            if (error == Errno.ENOENT)
            {
                return false;
            }

            if (error != Errno.EINTR)
            {
                throw new LinuxException(error, nameof(LibC.write), $"/dev/vduse/{_name}");
            }
        }

        return true;
    }

    /// <summary>Closes the device, which stays on its bus.</summary>
    public void Dispose() => Handle.Dispose();

    private static VduseRequest Decode(vduse_dev_request message)
    {
        var kind = (VduseRequestKind)message.type;
        return kind switch
        {
            VduseRequestKind.GetQueueState => new(message.request_id, kind, Queue: message.vq_index),
            VduseRequestKind.SetStatus => new(message.request_id, kind, Status: message.status),
            VduseRequestKind.UpdateMappings => new(message.request_id, kind)
            {
                First = message.iova_start,
                Last = message.iova_last,
            },
            _ => new(message.request_id, kind),
        };
    }

    private static vduse_iova_umem Encode(VduseRange range) =>
        new() { iova = range.First, size = checked(range.Last - range.First + 1) };

    private static void Encode(VdusePosition position, ref vduse_dev_response response)
    {
        if (!position.IsPacked)
        {
            response.split_avail_index = position.AvailableIndex;
            return;
        }

        response.packed = new()
        {
            last_avail_idx = position.AvailableIndex,
            last_avail_counter = position.AvailableWrap ? (ushort)1 : (ushort)0,
            last_used_idx = position.UsedIndex,
            last_used_counter = position.UsedWrap ? (ushort)1 : (ushort)0,
        };
    }

    // SAFETY: the caller passes what the command takes.
    private unsafe void Call(uint command, void* argument, string name)
    {
        if (LibC.ioctl(Handle, command, argument) < 0)
        {
            string detail = string.Create(CultureInfo.InvariantCulture, $"/dev/vduse/{_name}");
            throw new LinuxException(LinuxException.LastError, name, detail);
        }
    }
}
