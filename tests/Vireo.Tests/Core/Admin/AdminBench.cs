using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;
using Vireo.Tests.Core.Transports;
using Vireo.Tests.Core.Transports.Pci;

namespace Vireo.Tests.Core.Admin;

/// <summary>A function with an administration virtqueue, our PCI driver before it, and a ring for commands.</summary>
internal sealed class AdminBench : IDisposable
{
    public const ushort Ok = 0;
    public const ushort NoSuch = 6;
    public const ushort NoMemory = 12;
    public const ushort Busy = 16;
    public const ushort Exists = 17;
    public const ushort Invalid = 22;
    public const ushort NoSpace = 28;

    /// <summary>All commands there are.</summary>
    public const ulong AllCommands = 0x3ff83;

    public const ulong RingOfQueue0 = 0x1_0000;
    private const ulong AdminRing = 0x4000;
    private const ulong CommandAt = 0x2_0000;
    private const ulong AnswerAt = 0x3_0000;
    private const ushort AdminSize = 8;

    private readonly OwnedMemory _owned = new(0x4_0000);
    private DriverQueue _queue = null!;

    public AdminBench(bool isPacked = false, ProbeDevice? device = null)
    {
        Memory = new([_owned.At(new(0))]);
        Device = device ?? new ProbeDevice(8, 16) { Features = FeatureSet.Of(5), Config = new byte[8] };
        Function = new(
            Device,
            Host,
            new() { Features = PciFunctionOptions.TransportFeatures | CoreFeature.Rings, HasAdminQueue = true }
        );
        Function.Attach(Memory);
        Access = new(Function);
        Driver = new(Access);
        Driver.EnableFunction(useMsix: false);
        Begin(isPacked);
    }

    public ProbeHost Host { get; } = new();

    public ProbeDevice Device { get; }

    public MappedMemory Memory { get; }

    public PciFunction Function { get; }

    public FunctionAccess Access { get; }

    public PciDriver Driver { get; }

    /// <summary>Negotiates and starts the ring for commands; all else is as after a reset.</summary>
    public void Begin(bool isPacked = false)
    {
        FeatureSet wanted = FeatureSet.Of(CoreFeature.AdminQueue, 5).WithIf(CoreFeature.RingPacked, isPacked);
        FeatureSet features = Driver.Negotiate(wanted);
        Span<byte> ring = new byte[0x3000];
        Assert.True(Memory.TryWrite(new(AdminRing), ring));
        QueueAreas areas = new(AdminSize, new(AdminRing), new(AdminRing + 0x1000), new(AdminRing + 0x2000));
        _queue = DriverQueue.Create(areas, Memory, features);
        Driver.EnableQueue(Driver.AdminQueueIndex, areas);
        Driver.Start();
    }

    /// <summary>Enables one of the device's own queues.</summary>
    public void EnableOwnQueue(int index = 0) => Driver.EnableQueue(index, OwnAreas(index));

    public static QueueAreas OwnAreas(int index)
    {
        ulong at = RingOfQueue0 + (ulong)index * 0x3000;
        return new(8, new(at), new(at + 0x1000), new(at + 0x2000));
    }

    /// <summary>Says that all commands are used, and as many objects as there may be.</summary>
    public AdminBench WithObjects(byte forGetting = 8, byte forSetting = 8)
    {
        Assert.Equal(Ok, Do(1, Bytes(AllCommands)).Status);
        Assert.Equal(Ok, Do(9, [.. Bytes(0ul), forGetting, forSetting, 0, 0, 0, 0, 0, 0]).Status);
        return this;
    }

    /// <summary>Makes an object.</summary>
    public ushort Create(uint id, byte kind, ulong flags = 0, ushort type = 0) =>
        Do(0xa, [.. ObjectHeader(id, type), .. Bytes(flags), .. Bytes((ulong)kind)]).Status;

    public static byte[] ObjectHeader(uint id, ushort type = 0) => [.. Bytes(type), 0, 0, .. Bytes(id)];

    public static byte[] Bytes(ulong value) => BitConverter.GetBytes(value);

    public static byte[] Bytes(uint value) => BitConverter.GetBytes(value);

    public static byte[] Bytes(ushort value) => BitConverter.GetBytes(value);

    /// <summary>Sends a command and takes the answer.</summary>
    public Answer Do(ushort opcode, byte[] data, ulong member = 0, ushort group = 0, uint room = 4096)
    {
        byte[] command = [.. Bytes(opcode), .. Bytes(group), .. new byte[12], .. Bytes(member), .. data];
        return Send(command, 8 + room);
    }

    /// <summary>Sends bytes that need not be a whole command, with room that need not be enough for an answer.</summary>
    public Answer Send(byte[] command, uint room)
    {
        Assert.True(Memory.TryWrite(new(CommandAt), command));
        byte[] paint = new byte[room];
        paint.AsSpan().Fill(0xee);
        Assert.True(Memory.TryWrite(new(AnswerAt), paint));
        Add(command.Length, room);
        Driver.Kick(Driver.AdminQueueIndex);
        return Take(room);
    }

    /// <summary>Makes a command available without a kick.</summary>
    public void Add(int length, uint room, ulong at = 0)
    {
        GuestRange[] writable = room == 0 ? [] : [new(new(AnswerAt + at), room)];
        Assert.True(_queue.TryAdd([new(new(CommandAt + at), (uint)length)], writable, at));
        _queue.Publish();
    }

    public Answer Take(uint room)
    {
        Assert.True(_queue.TryTake(out DriverCompletion completion), "the command is not done");
        byte[] bytes = new byte[room];
        Assert.True(Memory.TryRead(new(AnswerAt + completion.Tag), bytes));
        Assert.False(
            bytes.AsSpan((int)completion.WrittenBytes).ContainsAnyExcept((byte)0xee),
            "more was written than said"
        );
        byte[] written = bytes[..(int)completion.WrittenBytes];
        byte[] status = [.. written, .. new byte[8]];
        return new(
            BinaryPrimitives.ReadUInt16LittleEndian(status),
            BinaryPrimitives.ReadUInt16LittleEndian(status.AsSpan(2)),
            written.Length > 8 ? written[8..] : [],
            completion.WrittenBytes
        );
    }

    public void Dispose()
    {
        Function.Reset();
        Device.Dispose();
        _owned.Dispose();
    }

    /// <summary>What came back of a command.</summary>
    [StructLayout(LayoutKind.Auto)]
    public readonly record struct Answer(ushort Status, ushort Qualifier, byte[] Result, uint WrittenBytes);
}
