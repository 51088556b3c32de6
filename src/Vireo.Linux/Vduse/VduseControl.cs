using System.Text;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.Vduse;

/// <summary>Makes and removes VDUSE devices: <c>/dev/vduse/control</c>, interface version 0.</summary>
/// <remarks>A device outlives this object and its process, until it is destroyed. One thread at a time.</remarks>
public sealed class VduseControl : IDisposable
{
    /// <summary>The node of the module vduse.</summary>
    public const string NodePath = "/dev/vduse/control";

    private readonly SafeFileHandle _handle;

    private VduseControl(SafeFileHandle handle) => _handle = handle;

    /// <summary>Opens the control node.</summary>
    /// <exception cref="LinuxException">ENOENT: the module is not loaded; EACCES: not allowed; EINVAL: no common version.</exception>
    // SAFETY: the kernel reads a local number.
    public static unsafe VduseControl Open()
    {
        SafeFileHandle handle = HostFile.Open(NodePath, OpenFlags.ReadWrite);
        ulong version = 0;
        if (LibC.ioctl(handle, LibC.VDUSE_SET_API_VERSION, &version) < 0)
        {
            Errno error = LinuxException.LastError;
            handle.Dispose();
            throw new LinuxException(error, nameof(LibC.VDUSE_SET_API_VERSION), "0");
        }

        return new(handle);
    }

    /// <summary>Makes a device.</summary>
    /// <param name="description">The device.</param>
    /// <returns>False when there is one of that name.</returns>
    /// <exception cref="ArgumentException">The name or the configuration space is too long, or the name empty.</exception>
    /// <exception cref="LinuxException">EINVAL: the kernel does not take such a device; EPERM: not allowed.</exception>
    // SAFETY: the kernel reads the structure, whose layout the Abi tests prove, and behind it as many bytes as config_size says.
    public unsafe bool TryCreate(VduseDescription description)
    {
        ArgumentNullException.ThrowIfNull(description);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(
            description.Config.Length,
            VduseDescription.ConfigBytesMax,
            nameof(description)
        );
        vduse_dev_config header = new()
        {
            vendor_id = description.VendorId,
            device_id = description.DeviceId,
            features = description.Features,
            vq_num = (uint)description.QueueCount,
            vq_align = (uint)Environment.SystemPageSize,
            config_size = (uint)description.Config.Length,
        };
        WriteName(description.Name, header.name);
        byte[] message = new byte[sizeof(vduse_dev_config) + description.Config.Length];
        fixed (byte* bytes = message)
        {
            *(vduse_dev_config*)bytes = header;
            description.Config.Span.CopyTo(message.AsSpan(sizeof(vduse_dev_config)));
            if (LibC.ioctl(_handle, LibC.VDUSE_CREATE_DEV, bytes) >= 0)
            {
                return true;
            }
        }

        Errno error = LinuxException.LastError;
        return error == Errno.EEXIST
            ? false
            : throw new LinuxException(error, nameof(LibC.VDUSE_CREATE_DEV), description.Name);
    }

    /// <summary>Removes a device.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>False when it is on the vDPA bus or a process has it open.</returns>
    /// <exception cref="LinuxException">EINVAL: there is no such device.</exception>
    // SAFETY: the kernel reads a local structure.
    public unsafe bool TryDestroy(string name)
    {
        vduse_name argument;
        WriteName(name, argument.__bytes);
        if (LibC.ioctl(_handle, LibC.VDUSE_DESTROY_DEV, &argument) >= 0)
        {
            return true;
        }

        Errno error = LinuxException.LastError;
        return error == Errno.EBUSY ? false : throw new LinuxException(error, nameof(LibC.VDUSE_DESTROY_DEV), name);
    }

    /// <summary>Closes the node; devices stay.</summary>
    public void Dispose() => _handle.Dispose();

    /// <summary>Writes a name and zeros behind it.</summary>
    // SAFETY: destination has VDUSE_NAME_MAX bytes.
    private static unsafe void WriteName(string name, byte* destination)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Span<byte> bytes = new(destination, LibC.VDUSE_NAME_MAX);
        bytes.Clear();
        int length = Encoding.UTF8.GetByteCount(name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, VduseDescription.NameBytesMax, nameof(name));
        Encoding.UTF8.GetBytes(name, bytes);
    }
}
