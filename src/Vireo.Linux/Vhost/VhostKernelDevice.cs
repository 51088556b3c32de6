using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Vhost;

/// <summary>A device whose queues the kernel itself runs: <c>/dev/vhost-net</c>, <c>/dev/vhost-scsi</c>, <c>/dev/vhost-vsock</c>.</summary>
public sealed class VhostKernelDevice : VhostDevice, IVhostKernelDevice
{
    private VhostKernelDevice(string path)
        : base(path) { }

    /// <summary>Opens a device.</summary>
    /// <param name="path">Its node.</param>
    /// <exception cref="LinuxException">ENOENT: the module is not loaded; EACCES: not allowed.</exception>
    public static VhostKernelDevice Open(string path) => new(path);

    /// <inheritdoc/>
    // SAFETY: the kernel reads the structures, whose layouts the Abi tests prove, and checks the addresses in them.
    public unsafe void SetMemory(ReadOnlySpan<VhostRegion> regions)
    {
        byte[] message = new byte[sizeof(vhost_memory) + regions.Length * sizeof(vhost_memory_region)];
        MemoryMarshal.Write(message, new vhost_memory { nregions = (uint)regions.Length });
        Span<vhost_memory_region> table = MemoryMarshal.Cast<byte, vhost_memory_region>(
            message.AsSpan(sizeof(vhost_memory))
        );
        for (int index = 0; index < regions.Length; index++)
        {
            table[index] = new()
            {
                guest_phys_addr = regions[index].Address,
                memory_size = regions[index].LengthBytes,
                userspace_addr = (ulong)regions[index].HostAddress,
            };
        }

        fixed (byte* bytes = message)
        {
            Call(LibC.VHOST_SET_MEM_TABLE, bytes, nameof(LibC.VHOST_SET_MEM_TABLE));
        }
    }

    /// <inheritdoc/>
    public SafeFileHandle Misses => Handle;

    /// <inheritdoc/>
    // SAFETY: the kernel reads a local number.
    public unsafe void UseTranslations()
    {
        ulong features = 1ul << LibC.VHOST_BACKEND_F_IOTLB_MSG_V2;
        Call(LibC.VHOST_SET_BACKEND_FEATURES, &features, nameof(LibC.VHOST_SET_BACKEND_FEATURES));
    }

    /// <inheritdoc/>
    // SAFETY: the kernel fills a local structure whose layout the Abi tests prove.
    public unsafe bool TryReadMiss(out ulong address, out VhostAccess access)
    {
        vhost_msg_v2 message = default;
        nint count;
        while ((count = LibC.read(Handle, &message, (nuint)sizeof(vhost_msg_v2))) < 0)
        {
            Errno error = LinuxException.LastError;
            if (error == Errno.EAGAIN)
            {
                break;
            }

            if (error != Errno.EINTR)
            {
                throw new LinuxException(error, "read", "a vhost device's messages");
            }
        }

        address = message.iova;
        access = (VhostAccess)message.perm & VhostAccess.ReadWrite;
        // Nothing else is asked of those who chose the second form of messages.
        return count == sizeof(vhost_msg_v2) && message.iotlb_type == LibC.VHOST_IOTLB_MISS;
    }

    /// <inheritdoc/>
    public void Translate(in VhostTranslation translation) =>
        Send(
            new()
            {
                iotlb_type = LibC.VHOST_IOTLB_UPDATE,
                iova = translation.Address,
                size = translation.LengthBytes,
                uaddr = (ulong)translation.HostAddress,
                perm = (byte)translation.Access,
            }
        );

    /// <inheritdoc/>
    public void ForgetTranslations(ulong address, ulong lengthBytes) =>
        Send(
            new()
            {
                iotlb_type = LibC.VHOST_IOTLB_INVALIDATE,
                iova = address,
                size = lengthBytes,
            }
        );

    /// <inheritdoc/>
    public void SetNetBackend(int index, SafeFileHandle? tap) =>
        SetFile(LibC.VHOST_NET_SET_BACKEND, index, tap, nameof(LibC.VHOST_NET_SET_BACKEND));

    /// <inheritdoc/>
    // SAFETY: the kernel reads a local number.
    public unsafe void SetContextId(ulong contextId) =>
        Call(LibC.VHOST_VSOCK_SET_GUEST_CID, &contextId, nameof(LibC.VHOST_VSOCK_SET_GUEST_CID));

    /// <inheritdoc/>
    // SAFETY: the kernel reads a local number.
    public unsafe void SetSocketsRunning(bool isRunning)
    {
        int value = isRunning ? 1 : 0;
        Call(LibC.VHOST_VSOCK_SET_RUNNING, &value, nameof(LibC.VHOST_VSOCK_SET_RUNNING));
    }

    /// <inheritdoc/>
    public void SetScsiTarget(string target) =>
        CallWithTarget(LibC.VHOST_SCSI_SET_ENDPOINT, target, nameof(LibC.VHOST_SCSI_SET_ENDPOINT));

    /// <inheritdoc/>
    public void ClearScsiTarget(string target) =>
        CallWithTarget(LibC.VHOST_SCSI_CLEAR_ENDPOINT, target, nameof(LibC.VHOST_SCSI_CLEAR_ENDPOINT));

    // SAFETY: the kernel reads a local structure whose layout the Abi tests prove. The name leaves at least one zero behind it.
    private unsafe void CallWithTarget(uint command, string target, string name)
    {
        vhost_scsi_target argument = new() { abi_version = LibC.VHOST_SCSI_ABI_VERSION };
        Span<byte> bytes = new(argument.vhost_wwpn, VhostScsiRings.TargetBytesMax);
        _ = Encoding.UTF8.GetBytes(target, bytes);
        Call(command, &argument, name);
    }
}
