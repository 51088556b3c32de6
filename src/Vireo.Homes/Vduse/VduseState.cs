using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Linux.Files;
using Vireo.Linux.Memory;

namespace Vireo.Homes.Vduse;

/// <summary>What a VDUSE home leaves to its successor, in a file in memory: the device's status and the requests in flight.</summary>
/// <remarks>
/// The kernel keeps the device, its rings and its messages while no process serves it, but not what a process had taken out of the
/// rings. A file of another user, or one that others may write to, is refused: what it says is trusted.
/// </remarks>
internal sealed class VduseState : IDisposable
{
    private const ulong Magic = 0x5544_564f_4552_4956;
    private const uint Version = 1;

    /// <summary>Where the queues' regions begin.</summary>
    private const int RegionsOffset = 4096;

    /// <summary>Reading and writing for the owner alone.</summary>
    private const int Mode = 0b110_000_000;

    /// <summary>Permissions that the owner's group and all others must not have.</summary>
    private const int ModeOfOthers = 0b000_111_111;

    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly MemoryMapping _mapping;

    /// <summary>Where the region of each queue begins.</summary>
    private readonly int[] _offsets;

    private VduseState(string path, SafeFileHandle file, MemoryMapping mapping, int[] offsets)
    {
        _path = path;
        _file = file;
        _mapping = mapping;
        _offsets = offsets;
    }

    /// <summary>The status that the driver wrote last.</summary>
    public DeviceStatus Status
    {
        get => (DeviceStatus)(int)(uint)Wire.Read<VduseStateHeader>(Header).Status;
        set
        {
            VduseStateHeader header = Wire.Read<VduseStateHeader>(Header);
            header.Status = (uint)value;
            Wire.Write(Header, in header);
        }
    }

    /// <summary>Where the file of a device is, unless told otherwise.</summary>
    /// <param name="name">The device's name.</param>
    public static string DefaultPath(string name) => $"/dev/shm/vireo-vduse-{name}";

    /// <summary>Opens the file for a device, and makes it if it is not there.</summary>
    /// <param name="path">The file.</param>
    /// <param name="device">The device.</param>
    /// <param name="features">The features on offer.</param>
    /// <param name="isContinued">Whether what the file says is to be gone on from; otherwise it begins anew.</param>
    /// <exception cref="DeviceException">It is another user's, in use, or of another device.</exception>
    /// <exception cref="Vireo.Linux.LinuxException">The file cannot be opened.</exception>
    public static VduseState Open(string path, VirtioDevice device, FeatureSet features, bool isContinued)
    {
        (int[] offsets, long lengthBytes) = Arrange(device);
        SafeFileHandle file = HostFile.Open(path, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.NoFollow, Mode);
        VduseState? state = null;
        try
        {
            Check(path, file);
            long found = HostFile.SizeOf(file);
            if (!isContinued)
            {
                // Cut first: what is added again reads as zeros.
                HostFile.Resize(file, 0);
                HostFile.Resize(file, lengthBytes);
            }
            else if (found != lengthBytes)
            {
                throw new DeviceException(
                    $"'{path}' has {found} bytes, and this device needs {lengthBytes}: it is not what this device's last process left"
                );
            }

            var mapping = MemoryMapping.Map(file, 0, (nuint)lengthBytes, MappingAccess.ReadWrite);
            state = new(path, file, mapping, offsets);
            state.BeginOrCompare(device, features, isContinued);
            return state;
        }
        catch
        {
            state?._mapping.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Where a queue's requests in flight are recorded.</summary>
    /// <param name="index">Which queue.</param>
    /// <param name="sizeMax">Its largest size in descriptors.</param>
    public InflightRegion RegionOf(int index, ushort sizeMax) =>
        new(_mapping.Address + _offsets[index], (ulong)RegionBytes(sizeMax));

    /// <summary>Nothing is in flight any more, and the next driver begins anew. No queue runs.</summary>
    public void ForgetQueues() =>
        _mapping.GetSpan(RegionsOffset, checked((int)_mapping.Length - RegionsOffset)).Clear();

    /// <summary>Removes the file: there is nothing to go on with.</summary>
    public void Delete() => File.Delete(_path);

    /// <summary>Closes the file, which stays. No queue runs.</summary>
    public void Dispose()
    {
        _mapping.Dispose();
        _file.Dispose();
    }

    private Span<byte> Header => _mapping.GetSpan(0, Wire.SizeOf<VduseStateHeader>());

    private static (int[] Offsets, long LengthBytes) Arrange(VirtioDevice device)
    {
        int[] offsets = new int[device.Queues.Count];
        int end = RegionsOffset;
        for (int index = 0; index < offsets.Length; index++)
        {
            offsets[index] = end;
            end += RegionBytes(device.Queues[index].SizeMax);
        }

        return (offsets, end);
    }

    /// <summary>Room for either layout: which it is, is only known when the driver has chosen.</summary>
    private static int RegionBytes(ushort sizeMax) =>
        Math.Max(
            InflightRegion.RequiredBytes(sizeMax, isPacked: false),
            InflightRegion.RequiredBytes(sizeMax, isPacked: true)
        );

    private static void Check(string path, SafeFileHandle file)
    {
        var status = FileStatus.Of(file);
        uint? self = FileStatus.TryGet("/proc/self")?.OwnerId;
        bool isOurs =
            status.Kind == DescriptorKind.RegularFile
            && status.OwnerId == self
            && status.LinkCount == 1
            && (status.Permissions & ModeOfOthers) == 0;
        if (!isOurs)
        {
            throw new DeviceException(
                $"'{path}' is not a file that only this user may use; remove it, or keep the state elsewhere"
            );
        }

        if (!HostFile.TryLock(file, LockKind.Exclusive, 0, 0))
        {
            throw new DeviceException($"'{path}' is in use: another process serves this device");
        }
    }

    private void BeginOrCompare(VirtioDevice device, FeatureSet features, bool isContinued)
    {
        VduseStateHeader wanted = new()
        {
            Magic = Magic,
            Version = Version,
            DeviceId = (uint)device.Type,
            Features = features.Low,
            ConfigBytes = (uint)device.ConfigLengthBytes,
            QueueCount = (uint)device.Queues.Count,
            LengthBytes = _mapping.Length,
        };
        if (!isContinued)
        {
            Wire.Write(Header, in wanted);
            return;
        }

        VduseStateHeader found = Wire.Read<VduseStateHeader>(Header);
        wanted.Status = found.Status;
        if (!Wire.Bytes(ref found).SequenceEqual(Wire.Bytes(ref wanted)))
        {
            throw new DeviceException(
                $"the device on the bus was made as type {(uint)found.DeviceId} with {(uint)found.QueueCount} queues, "
                    + $"{(uint)found.ConfigBytes} bytes of configuration and features {new FeatureSet(found.Features)}; this one is type "
                    + $"{(uint)wanted.DeviceId} with {(uint)wanted.QueueCount}, {(uint)wanted.ConfigBytes} and {features}"
            );
        }
    }
}
