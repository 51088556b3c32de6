using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Linux.Vduse;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes.Vduse;

/// <summary>The kernel's side of a VDUSE device: what a driver sets up, and messages in whatever order the test sends them.</summary>
internal sealed class FakeVduse : IVduseDevice
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly EventFd _ready = EventFd.Create();
    private readonly ConcurrentQueue<VduseRequest> _requests = new();
    private readonly BlockingCollection<VduseAnswer> _answers = [];
    private readonly GuestRam _ram;
    private readonly Lock _changing = new();
    private readonly int[] _calls;
    private uint _lastId;

    public FakeVduse(GuestRam ram, int queueCount)
    {
        _ram = ram;
        Queues = new VduseQueue[queueCount];
        Kicks = new EventFd?[queueCount];
        SizesMax = new ushort[queueCount];
        _calls = new int[queueCount];
        Mappings = [(GuestRam.GuestBase, GuestRam.GuestBase + (ulong)ram.File.Size - 1)];
    }

    public SafeFileHandle Handle => _ready.Handle;

    public ulong DriverFeatures { get; set; }

    public VduseQueue[] Queues { get; }

    public EventFd?[] Kicks { get; }

    public ushort[] SizesMax { get; }

    /// <summary>The ranges of the guest's memory that are mapped, first to last address.</summary>
    public (ulong First, ulong Last)[] Mappings { get; set; }

    public bool IsReadOnly { get; set; }

    /// <summary>Whether calls are taken: the kernel has noted DRIVER_OK.</summary>
    public volatile bool TakesCalls = true;

    /// <summary>Whether the kernel has given the device up.</summary>
    public volatile bool IsBroken;

    /// <summary>Addresses behind which are bounce buffers; none when empty. Their mapping is one of <see cref="Mappings"/>.</summary>
    public (ulong First, ulong Last) Bounce { get; set; } = (1, 0);

    /// <summary>What the kernel says when it is to take memory; null when it takes it.</summary>
    public Errno? RefusesMemory { get; set; }

    /// <summary>Where the memory is that was lent; 0 for none.</summary>
    public nint Lent { get; private set; }

    /// <summary>How often memory was lent.</summary>
    public int LentCount { get; private set; }

    public int MappingsGiven => Volatile.Read(ref _mappingsGiven);

    private int _mappingsGiven;

    public int CallAttempts => Volatile.Read(ref _callAttempts);

    private int _callAttempts;

    public ConcurrentQueue<(int Offset, byte[] Bytes)> ConfigWrites { get; } = new();

    public int ConfigCalls => Volatile.Read(ref _configCalls);

    private int _configCalls;

    public bool IsDisposed { get; private set; }

    public int CallsOf(int index) => Volatile.Read(ref _calls[index]);

    /// <summary>Sets a queue up as a driver does.</summary>
    public void SetUp(int index, ushort size)
    {
        QueueState(index, size, GuestRam.Areas(index, size));
    }

    /// <summary>Sends a message and waits for its answer.</summary>
    public VduseAnswer Ask(VduseRequest request)
    {
        Send(request);
        Assert.True(_answers.TryTake(out VduseAnswer answer, Patience), $"{request} is not answered");
        Assert.Equal(_lastId, answer.Id);
        return answer;
    }

    /// <summary>Sends a message.</summary>
    public void Send(VduseRequest request)
    {
        _requests.Enqueue(request with { Id = ++_lastId });
        _ready.Signal();
    }

    /// <summary>Waits for the answer to a message that was sent.</summary>
    public bool TryTakeAnswer(TimeSpan time, out VduseAnswer answer) => _answers.TryTake(out answer, time);

    public VduseAnswer SetStatus(DeviceStatus status) => Ask(new(0, VduseRequestKind.SetStatus, Status: (byte)status));

    /// <summary>Brings the device to DRIVER_OK the way a driver does.</summary>
    public void Drive(FeatureSet features)
    {
        DriverFeatures = features.Low;
        Assert.True(SetStatus(DeviceStatus.Acknowledge).IsGood);
        Assert.True(SetStatus(DeviceStatus.Acknowledge | DeviceStatus.Driver).IsGood);
        Assert.True(SetStatus(DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk).IsGood);
        Assert.True(SetStatus(All).IsGood);
    }

    public const DeviceStatus All =
        DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk | DeviceStatus.DriverOk;

    public void Break()
    {
        IsBroken = true;
        _ready.Signal();
    }

    public ulong ReadDriverFeatures()
    {
        ThrowIfBroken();
        return DriverFeatures;
    }

    public void SetUpQueue(int index, ushort sizeMax) => SizesMax[index] = sizeMax;

    public VduseQueue ReadQueue(int index)
    {
        ThrowIfBroken();
        return Queues[index];
    }

    public void SetKick(int index, EventFd? kick) => Kicks[index] = kick;

    public bool TryCall(int index)
    {
        Interlocked.Increment(ref _callAttempts);
        if (TakesCalls)
        {
            Interlocked.Increment(ref _calls[index]);
        }

        return TakesCalls;
    }

    public void WriteConfig(int offset, ReadOnlySpan<byte> source)
    {
        ThrowIfBroken();
        ConfigWrites.Enqueue((offset, source.ToArray()));
    }

    public bool TryCallConfig()
    {
        Interlocked.Increment(ref _configCalls);
        return true;
    }

    public VduseMapping? TryFindMapping(ulong first, ulong last)
    {
        foreach ((ulong begin, ulong end) in Mappings)
        {
            if (begin <= last && end >= first)
            {
                Interlocked.Increment(ref _mappingsGiven);
                using DescriptorLease lease = new(_ram.File.Handle);
                return new(HostFile.Open($"/proc/self/fd/{lease.Number}", OpenFlags.ReadWrite))
                {
                    FileOffset = begin - GuestRam.GuestBase,
                    First = begin,
                    Last = end,
                    IsReadable = true,
                    IsWritable = !IsReadOnly,
                };
            }
        }

        return null;
    }

    public VduseRange? TryFindRange(ulong first, ulong last)
    {
        foreach ((ulong begin, ulong end) in Mappings)
        {
            if (begin <= last && end >= first)
            {
                return new(begin, end, (begin, end) == Bounce);
            }
        }

        return null;
    }

    public void LendMemory(VduseRange range, nint address)
    {
        if (RefusesMemory is { } error)
        {
            throw new LinuxException(error, "VDUSE_IOTLB_REG_UMEM");
        }

        Assert.Equal(Bounce, (range.First, range.Last));
        Assert.Equal(0, address % Environment.SystemPageSize);
        Assert.Equal(0, Lent);
        byte[] contents = BounceBytes.ToArray();
        Marshal.Copy(contents, 0, address, contents.Length);
        // Nobody is to find there any more what he looks for.
        BounceBytes.Fill(0xee);
        Lent = address;
        LentCount++;
    }

    public void TakeMemoryBack(VduseRange range)
    {
        ThrowIfBroken();
        Assert.Equal(Bounce, (range.First, range.Last));
        CopyLent();
        Lent = 0;
    }

    /// <summary>Brings what is in memory that was lent to where the driver looks, as the kernel does when a request has ended.</summary>
    public void CopyLent()
    {
        Assert.NotEqual(0, Lent);
        byte[] contents = new byte[BounceBytes.Length];
        Marshal.Copy(Lent, contents, 0, contents.Length);
        contents.CopyTo(BounceBytes);
    }

    /// <summary>Brings what the driver has written to memory that was lent, as the kernel does when a request begins.</summary>
    public void CopyToLent()
    {
        byte[] contents = BounceBytes.ToArray();
        Marshal.Copy(contents, 0, Lent, contents.Length);
    }

    public bool TryReceive(out VduseRequest request)
    {
        ThrowIfBroken();
        lock (_changing)
        {
            if (_requests.TryDequeue(out request))
            {
                return true;
            }

            _ready.TryDrain();
            // One may have come between the two.
            return _requests.TryDequeue(out request);
        }
    }

    public bool TryAnswer(in VduseAnswer answer)
    {
        _answers.Add(answer);
        return true;
    }

    public void Dispose()
    {
        IsDisposed = true;
        _ready.Dispose();
    }

    private Span<byte> BounceBytes =>
        _ram.Bytes[(int)(Bounce.First - GuestRam.GuestBase)..(int)(Bounce.Last - GuestRam.GuestBase + 1)];

    private void QueueState(int index, ushort size, Vireo.Core.Queues.QueueAreas areas) =>
        Queues[index] = new(IsReady: true, size, areas.Descriptors.Value, areas.Driver.Value, areas.Device.Value)
        {
            Split = new(IsPacked: false, 0),
            Packed = new(IsPacked: true, 0),
        };

    private void ThrowIfBroken()
    {
        if (IsBroken)
        {
            throw new LinuxException(Errno.EPERM, "VDUSE");
        }
    }
}
