using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.Vhost;

/// <summary>What vhost devices have in common.</summary>
public abstract class VhostDevice : IVhostDevice
{
    private readonly string _path;

    private protected VhostDevice(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _path = path;
        Handle = HostFile.Open(path, OpenFlags.ReadWrite | OpenFlags.NonBlocking);
        try
        {
            TakeOwnership();
        }
        catch
        {
            Handle.Dispose();
            throw;
        }
    }

    /// <summary>The descriptor.</summary>
    private protected SafeFileHandle Handle { get; }

    /// <inheritdoc/>
    // SAFETY: the kernel fills a local array, as much of it as its first number says; then a local number.
    public unsafe UInt128 ReadFeatures()
    {
        ulong* array = stackalloc ulong[] { 2, 0, 0 };
        if (LibC.ioctl(Handle, LibC.VHOST_GET_FEATURES_ARRAY, array) >= 0)
        {
            return new(array[2], array[1]);
        }

        // Which error a kernel has for what it does not know depends on the device.
        ulong features;
        Call(LibC.VHOST_GET_FEATURES, &features, nameof(LibC.VHOST_GET_FEATURES));
        return features;
    }

    /// <inheritdoc/>
    // SAFETY: the kernel reads a local array, as much of it as its first number says, or a local number.
    public unsafe void AcceptFeatures(UInt128 features)
    {
        ulong low = (ulong)(features & ulong.MaxValue);
        ulong high = (ulong)(features >> 64);
        if (high == 0)
        {
            Call(LibC.VHOST_SET_FEATURES, &low, nameof(LibC.VHOST_SET_FEATURES));
            return;
        }

        ulong* array = stackalloc ulong[] { 2, low, high };
        Call(LibC.VHOST_SET_FEATURES_ARRAY, array, nameof(LibC.VHOST_SET_FEATURES_ARRAY));
    }

    /// <inheritdoc/>
    // SAFETY: the kernel reads local structures whose layouts the Abi tests prove, and checks the addresses in them when used.
    public unsafe void SetRing(int index, in VhostRing ring)
    {
        vhost_vring_state state = new() { index = (uint)index, num = ring.Size };
        Call(LibC.VHOST_SET_VRING_NUM, &state, nameof(LibC.VHOST_SET_VRING_NUM));
        state.num = ring.Position;
        Call(LibC.VHOST_SET_VRING_BASE, &state, nameof(LibC.VHOST_SET_VRING_BASE));
        vhost_vring_addr address = new()
        {
            index = (uint)index,
            desc_user_addr = ring.Descriptors,
            avail_user_addr = ring.Driver,
            used_user_addr = ring.Device,
        };
        Call(LibC.VHOST_SET_VRING_ADDR, &address, nameof(LibC.VHOST_SET_VRING_ADDR));
    }

    /// <inheritdoc/>
    // SAFETY: the kernel reads and fills a local structure.
    public unsafe uint ReadPosition(int index)
    {
        vhost_vring_state state = new() { index = (uint)index };
        Call(LibC.VHOST_GET_VRING_BASE, &state, nameof(LibC.VHOST_GET_VRING_BASE));
        return state.num;
    }

    /// <inheritdoc/>
    public void SetKick(int index, SafeFileHandle? kick) =>
        SetFile(LibC.VHOST_SET_VRING_KICK, index, kick, nameof(LibC.VHOST_SET_VRING_KICK));

    /// <inheritdoc/>
    public void SetCall(int index, SafeFileHandle? call) =>
        SetFile(LibC.VHOST_SET_VRING_CALL, index, call, nameof(LibC.VHOST_SET_VRING_CALL));

    /// <summary>Closes the device: its rings stop.</summary>
    public void Dispose()
    {
        Handle.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives a ring a descriptor, or none.</summary>
    // SAFETY: the kernel reads a local structure; the lease keeps the number good during the call.
    private protected unsafe void SetFile(uint command, int index, SafeFileHandle? file, string name)
    {
        const int None = -1;
        vhost_vring_file argument = new() { index = (uint)index, fd = None };
        if (file is null)
        {
            Call(command, &argument, name);
            return;
        }

        using DescriptorLease lease = new(file);
        argument.fd = lease.Number;
        Call(command, &argument, name);
    }

    /// <summary>Makes one command.</summary>
    // SAFETY: the caller passes what the command takes.
    private protected unsafe void Call(uint command, void* argument, string name) =>
        LinuxException.ThrowIfNegative(LibC.ioctl(Handle, command, argument), name, _path);

    /// <summary>Says something of memory.</summary>
    // SAFETY: the kernel reads a local structure whose layout the Abi tests prove, and checks the addresses in it.
    private protected unsafe void Send(vhost_msg_v2 message)
    {
        message.type = LibC.VHOST_IOTLB_MSG_V2;
        while (LibC.write(Handle, &message, (nuint)sizeof(vhost_msg_v2)) < 0)
        {
            Errno error = LinuxException.LastError;
            if (error != Errno.EINTR)
            {
                throw new LinuxException(error, "VHOST_IOTLB_MSG_V2", $"{message.size} bytes at {message.iova:x}");
            }
        }
    }

    // SAFETY: the command has no argument.
    private unsafe void TakeOwnership() => Call(LibC.VHOST_SET_OWNER, null, nameof(LibC.VHOST_SET_OWNER));
}
