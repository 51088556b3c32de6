using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Vhost;

/// <summary>A device on the vDPA bus as its user sees it: <c>/dev/vhost-vdpa-N</c>.</summary>
public sealed class VhostVdpaDevice : VhostDevice, IVhostVdpaDevice
{
    private readonly bool _mapsInBatches;

    private VhostVdpaDevice(string path)
        : base(path) => _mapsInBatches = AgreeOnMessages();

    /// <summary>Opens a device; it is nobody else's from here on.</summary>
    /// <param name="path">Its node.</param>
    /// <exception cref="LinuxException">ENOENT: there is none; EBUSY: another process has it; EACCES: not allowed.</exception>
    public static VhostVdpaDevice Open(string path) => new(path);

    /// <inheritdoc/>
    // SAFETY: the kernel fills a local number; so below.
    public unsafe uint ReadDeviceId()
    {
        uint id;
        Call(LibC.VHOST_VDPA_GET_DEVICE_ID, &id, nameof(LibC.VHOST_VDPA_GET_DEVICE_ID));
        return id;
    }

    /// <inheritdoc/>
    // SAFETY: as in ReadDeviceId.
    public unsafe int ReadQueueCount()
    {
        uint count;
        Call(LibC.VHOST_VDPA_GET_VQS_COUNT, &count, nameof(LibC.VHOST_VDPA_GET_VQS_COUNT));
        return checked((int)count);
    }

    /// <inheritdoc/>
    // SAFETY: as in ReadDeviceId.
    public unsafe int ReadQueueSizeMax()
    {
        ushort size;
        Call(LibC.VHOST_VDPA_GET_VRING_NUM, &size, nameof(LibC.VHOST_VDPA_GET_VRING_NUM));
        return size;
    }

    /// <inheritdoc/>
    // SAFETY: as in ReadDeviceId.
    public unsafe int ReadConfigLength()
    {
        uint length;
        Call(LibC.VHOST_VDPA_GET_CONFIG_SIZE, &length, nameof(LibC.VHOST_VDPA_GET_CONFIG_SIZE));
        return checked((int)length);
    }

    /// <inheritdoc/>
    // SAFETY: the kernel fills as many bytes behind the structure as its length says.
    public unsafe void ReadConfig(int offset, Span<byte> destination)
    {
        byte[] message = new byte[sizeof(vhost_vdpa_config) + destination.Length];
        fixed (byte* bytes = message)
        {
            *(vhost_vdpa_config*)bytes = new() { off = (uint)offset, len = (uint)destination.Length };
            Call(LibC.VHOST_VDPA_GET_CONFIG, bytes, nameof(LibC.VHOST_VDPA_GET_CONFIG));
        }

        message.AsSpan(sizeof(vhost_vdpa_config)).CopyTo(destination);
    }

    /// <inheritdoc/>
    // SAFETY: the kernel reads as many bytes behind the structure as its length says.
    public unsafe void WriteConfig(int offset, ReadOnlySpan<byte> source)
    {
        byte[] message = new byte[sizeof(vhost_vdpa_config) + source.Length];
        source.CopyTo(message.AsSpan(sizeof(vhost_vdpa_config)));
        fixed (byte* bytes = message)
        {
            *(vhost_vdpa_config*)bytes = new() { off = (uint)offset, len = (uint)source.Length };
            Call(LibC.VHOST_VDPA_SET_CONFIG, bytes, nameof(LibC.VHOST_VDPA_SET_CONFIG));
        }
    }

    /// <inheritdoc/>
    // SAFETY: as in ReadDeviceId.
    public unsafe byte ReadStatus()
    {
        byte status;
        Call(LibC.VHOST_VDPA_GET_STATUS, &status, nameof(LibC.VHOST_VDPA_GET_STATUS));
        return status;
    }

    /// <inheritdoc/>
    // SAFETY: the kernel reads a local number.
    public unsafe void WriteStatus(byte status) =>
        Call(LibC.VHOST_VDPA_SET_STATUS, &status, nameof(LibC.VHOST_VDPA_SET_STATUS));

    /// <inheritdoc/>
    // SAFETY: the kernel reads a local structure whose layout the Abi tests prove.
    public unsafe void EnableRing(int index, bool isEnabled)
    {
        vhost_vring_state state = new() { index = (uint)index, num = isEnabled ? 1u : 0 };
        Call(LibC.VHOST_VDPA_SET_VRING_ENABLE, &state, nameof(LibC.VHOST_VDPA_SET_VRING_ENABLE));
    }

    /// <inheritdoc/>
    // SAFETY: the kernel reads a local number; the lease keeps it good during the call.
    public unsafe void SetConfigCall(SafeFileHandle call)
    {
        using DescriptorLease lease = new(call);
        int number = lease.Number;
        Call(LibC.VHOST_VDPA_SET_CONFIG_CALL, &number, nameof(LibC.VHOST_VDPA_SET_CONFIG_CALL));
    }

    /// <inheritdoc/>
    public void Map(ReadOnlySpan<VhostRegion> regions)
    {
        MarkBatch(LibC.VHOST_IOTLB_BATCH_BEGIN);
        foreach (VhostRegion region in regions)
        {
            vhost_msg_v2 message = new()
            {
                iotlb_type = LibC.VHOST_IOTLB_UPDATE,
                iova = region.Address,
                size = region.LengthBytes,
                uaddr = (ulong)region.HostAddress,
                perm = region.IsWritable ? LibC.VHOST_ACCESS_RW : LibC.VHOST_ACCESS_RO,
            };
            Send(message);
        }

        MarkBatch(LibC.VHOST_IOTLB_BATCH_END);
    }

    /// <inheritdoc/>
    public void Unmap(ulong address, ulong lengthBytes)
    {
        MarkBatch(LibC.VHOST_IOTLB_BATCH_BEGIN);
        Send(
            new()
            {
                iotlb_type = LibC.VHOST_IOTLB_INVALIDATE,
                iova = address,
                size = lengthBytes,
            }
        );
        MarkBatch(LibC.VHOST_IOTLB_BATCH_END);
    }

    /// <summary>Chooses the form of the messages about memory.</summary>
    /// <returns>Whether several may be put together, so that the device is told once.</returns>
    // SAFETY: the kernel fills and reads a local number.
    private unsafe bool AgreeOnMessages()
    {
        ulong offered;
        Call(LibC.VHOST_GET_BACKEND_FEATURES, &offered, nameof(LibC.VHOST_GET_BACKEND_FEATURES));
        const ulong Batches = 1ul << LibC.VHOST_BACKEND_F_IOTLB_BATCH;
        ulong accepted = offered & (1ul << LibC.VHOST_BACKEND_F_IOTLB_MSG_V2 | Batches);
        Call(LibC.VHOST_SET_BACKEND_FEATURES, &accepted, nameof(LibC.VHOST_SET_BACKEND_FEATURES));
        return (accepted & Batches) != 0;
    }

    private void MarkBatch(byte kind)
    {
        if (_mapsInBatches)
        {
            Send(new() { iotlb_type = kind });
        }
    }
}
