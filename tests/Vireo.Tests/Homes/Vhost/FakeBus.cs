using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Linux;
using Vireo.Linux.Vduse;
using Vireo.Linux.Vhost;
using Vireo.Tests.Homes.Vduse;

namespace Vireo.Tests.Homes.Vhost;

/// <summary>The vDPA bus between a user of a device and a VDUSE home in the same process, as the kernel joins them.</summary>
internal sealed class FakeBus(VduseUnderTest home) : IVhostVdpaDevice
{
    private DeviceStatus _status;

    public List<string> Commands { get; } = [];

    public List<VhostRegion> Mapped { get; } = [];

    /// <summary>Whether everything is refused from now on.</summary>
    public bool IsGone { get; set; }

    public UInt128 ReadFeatures() => home.Home.Session.Lifecycle.Offered.Low;

    public void AcceptFeatures(UInt128 features)
    {
        Record($"features {features:x}");
        home.Kernel.DriverFeatures = (ulong)features;
    }

    public void SetRing(int index, in VhostRing ring)
    {
        Record($"ring {index} at {ring.Position}");
        home.Kernel.Queues[index] = new(IsReady: false, ring.Size, ring.Descriptors, ring.Driver, ring.Device)
        {
            Split = new(IsPacked: false, (ushort)ring.Position),
        };
    }

    public uint ReadPosition(int index) =>
        home.Kernel.Ask(new(0, VduseRequestKind.GetQueueState, Queue: (uint)index)).Position!.Value.AvailableIndex;

    public void SetKick(int index, SafeFileHandle? kick) => Assert.NotNull(kick);

    public void SetCall(int index, SafeFileHandle? call) => Assert.NotNull(call);

    public uint ReadDeviceId() => (uint)home.Device.Type;

    public int ReadQueueCount() => home.Device.Queues.Count;

    public int ReadQueueSizeMax() => home.Device.Queues[0].SizeMax;

    public int ReadConfigLength() => home.Device.ConfigLengthBytes;

    public void ReadConfig(int offset, Span<byte> destination)
    {
        Record($"read {destination.Length} at {offset}");
        home.Device.ReadConfig(offset, destination);
    }

    public void WriteConfig(int offset, ReadOnlySpan<byte> source) => home.Device.WriteConfig(offset, source);

    public byte ReadStatus() => (byte)_status;

    public void WriteStatus(byte status)
    {
        Record($"status {status}");
        if (home.Kernel.SetStatus((DeviceStatus)status).IsGood)
        {
            _status = (DeviceStatus)status;
        }
    }

    public void EnableRing(int index, bool isEnabled) =>
        home.Kernel.Queues[index] = home.Kernel.Queues[index] with { IsReady = isEnabled };

    public void SetConfigCall(SafeFileHandle call) => ConfigCall = call;

    /// <summary>Where changes of the configuration space are told.</summary>
    public SafeFileHandle? ConfigCall { get; private set; }

    public void Map(ReadOnlySpan<VhostRegion> regions)
    {
        Record("map");
        Mapped.AddRange(regions);
    }

    public void Unmap(ulong address, ulong lengthBytes)
    {
        Record("unmap");
        Assert.Equal(1, Mapped.RemoveAll(region => region.Address == address && region.LengthBytes == lengthBytes));
    }

    public void Dispose() { }

    private void Record(string command)
    {
        Commands.Add(command);
        if (IsGone)
        {
            throw new LinuxException(Errno.ENODEV, command);
        }
    }
}
