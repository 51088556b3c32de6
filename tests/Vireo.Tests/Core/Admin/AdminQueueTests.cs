using Vireo.Core.Spec;
using static Vireo.Tests.Core.Admin.AdminBench;

namespace Vireo.Tests.Core.Admin;

/// <summary>The administration virtqueue of a function: where it is, how commands are checked, capabilities and objects.</summary>
public sealed class AdminQueueTests
{
    private const ushort WrongOpcode = 2;
    private const ushort WrongField = 3;
    private const ushort WrongGroup = 4;
    private const ushort WrongMember = 5;

    [Fact]
    [Clause("pci.dev.029", "pci.drv.025", "pci.drv.026")]
    public void Queue_OfADriverThatKnowsIt_FollowsTheOthers()
    {
        using AdminBench bench = new();

        Assert.Equal(2, bench.Driver.QueueCount);
        Assert.Equal(2, bench.Driver.AdminQueueIndex);
        Assert.Equal(1, bench.Driver.AdminQueueCount);
        Assert.Equal(8, bench.Driver.ReadSizeMax(2));
    }

    [Fact]
    public void Queue_OfADriverThatDoesNotKnowIt_IsNotThere()
    {
        using AdminBench bench = new();
        bench.Driver.Negotiate(FeatureSet.Empty);

        Assert.Equal(2, bench.Driver.QueueCount);
        Assert.Equal(0, bench.Driver.ReadSizeMax(2));
        Assert.Equal(0ul, bench.Access.Bar(0, 60, 4));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Clause("admin-vq.dev.071", "admin-vq.dev.086", "admin-vq.dev.088", "admin-vq.dev.089", "admin-vq.dev.077")]
    public void ListQuery_AfterReset_IsAnswered(bool isPacked)
    {
        using AdminBench bench = new(isPacked);

        Answer answer = bench.Do(0, []);

        Assert.Equal((Ok, (ushort)0, 16u), (answer.Status, answer.Qualifier, answer.WrittenBytes));
        Assert.Equal(Bytes(AllCommands), answer.Result);
    }

    [Fact]
    [Clause("admin-vq.dev.018", "admin-vq.dev.039")]
    public void ListQuery_OfAFunction_NamesCapabilitiesObjectsAndParts()
    {
        using AdminBench bench = new();
        ulong supported = BitConverter.ToUInt64(bench.Do(0, []).Result);

        Assert.All(
            [7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0x10, 0x11],
            opcode => Assert.NotEqual(0ul, supported >> opcode & 1)
        );
    }

    [Fact]
    [Clause(
        "admin-vq.dev.067",
        "admin-vq.dev.068",
        "admin-vq.dev.069",
        "admin-vq.dev.070",
        "admin-vq.dev.072",
        "admin-vq.dev.083"
    )]
    public void Command_WrongInSeveralWays_IsRefusedForTheFirstOfThem()
    {
        using AdminBench bench = new AdminBench().WithObjects();

        Assert.Equal((Invalid, WrongGroup), Refusal(bench.Do(0x7777, [], member: 3, group: 2)));
        Assert.Equal((Invalid, WrongGroup), Refusal(bench.Do(0, [], group: 1)));
        Assert.Equal((Invalid, WrongOpcode), Refusal(bench.Do(0x12, [], member: 3)));
        Assert.Equal((Invalid, WrongOpcode), Refusal(bench.Do(2, [], member: 3)));
        Assert.Equal((Invalid, WrongOpcode), Refusal(bench.Do(64, [])));
        Assert.Equal((Invalid, WrongOpcode), Refusal(bench.Do(0xffff, [])));
        Assert.Equal((Invalid, WrongMember), Refusal(bench.Do(7, [], member: 1)));
        Assert.Equal((Invalid, WrongMember), Refusal(bench.Do(0x11, [1], member: ulong.MaxValue)));
        Assert.Equal(Ok, bench.Do(0, [], member: 7).Status);
    }

    [Fact]
    [Clause("admin-vq.dev.022", "admin-vq.dev.023")]
    public void Capabilities_OfAnotherGroup_AreRefused()
    {
        using AdminBench bench = new AdminBench().WithObjects();

        Assert.All(
            new ushort[] { 7, 8, 9 },
            opcode => Assert.Equal(Invalid, bench.Do(opcode, [], group: 1, member: 1).Status)
        );
    }

    [Fact]
    [Clause(
        "admin-vq.dev.077",
        "admin-vq.dev.078",
        "admin-vq.dev.079",
        "admin-vq.drv.023",
        "admin-vq.drv.027",
        "admin-vq.drv.028"
    )]
    public void ListUse_OfSomeCommands_AllowsThoseOnly()
    {
        using AdminBench bench = new();

        Assert.Equal((Invalid, WrongOpcode), Refusal(bench.Do(7, [])));
        Assert.Equal(Ok, bench.Do(1, Bytes(1ul << 7 | 2)).Status);
        Assert.Equal(Ok, bench.Do(7, []).Status);
        Assert.Equal((Invalid, WrongOpcode), Refusal(bench.Do(0, [])));
        Assert.Equal(Ok, bench.Do(1, [.. Bytes(3ul), .. Bytes(0ul)]).Status);
        Assert.Equal((Invalid, WrongOpcode), Refusal(bench.Do(7, [])));
    }

    [Fact]
    [Clause("admin-vq.dev.073", "admin-vq.dev.074", "admin-vq.dev.075")]
    public void ListUse_OfCommandsThatAreNotThere_ChangesNothing()
    {
        using AdminBench bench = new();

        Assert.Equal((Invalid, WrongField), Refusal(bench.Do(1, Bytes(1ul << 2 | 3))));
        Assert.Equal((Invalid, WrongField), Refusal(bench.Do(1, [.. Bytes(3ul), .. Bytes(1ul)])));
        Assert.Equal((Invalid, WrongOpcode), Refusal(bench.Do(7, [])));
        Assert.Equal(Ok, bench.Do(0, []).Status);
        Assert.False(bench.Driver.Status.HasFlag(DeviceStatus.NeedsReset));
    }

    [Fact]
    [Clause("admin-vq.dev.080", "admin-vq.dev.081", "admin-vq.dev.026", "admin-vq.dev.038", "admin-vq.dev.077")]
    public void Reset_OfTheDevice_ForgetsCommandsCapabilitiesAndObjects()
    {
        using AdminBench bench = new AdminBench().WithObjects();
        Assert.Equal(Ok, bench.Create(0, 0));

        bench.Begin();

        Assert.Equal((Invalid, WrongOpcode), Refusal(bench.Do(7, [])));
        Assert.Equal(Bytes(AllCommands), bench.Do(0, []).Result);
        Assert.Equal(Ok, bench.Do(1, Bytes(AllCommands)).Status);
        Assert.Equal(NoSuch, bench.Do(0xc, ObjectHeader(0)).Status);
        Assert.Equal((Invalid, WrongField), Refusal(bench.Do(0xa, [.. ObjectHeader(0), .. Bytes(0ul), .. Bytes(0ul)])));
    }

    [Fact]
    [Clause("admin-vq.dev.084", "admin-vq.dev.087", "admin-vq.drv.036")]
    public void Buffers_TooShort_AreReadAsZerosAndWrittenAsFarAsTheyGo()
    {
        using AdminBench bench = new();

        Answer noRoom = bench.Send([0, 0], 0);
        Answer someRoom = bench.Send([0, 0], 4);
        Answer noResult = bench.Send([0, 0], 8);
        Answer halfAResult = bench.Send([], 12);

        Assert.Equal(0u, noRoom.WrittenBytes);
        Assert.Equal((Ok, 4u), (someRoom.Status, someRoom.WrittenBytes));
        Assert.Equal((Ok, 8u), (noResult.Status, noResult.WrittenBytes));
        Assert.Equal((Ok, 12u), (halfAResult.Status, halfAResult.WrittenBytes));
        Assert.Equal(Bytes(AllCommands)[..4], halfAResult.Result);
        Assert.Equal(Ok, bench.Do(0, []).Status);
    }

    [Fact]
    [Clause("admin-vq.dev.085", "admin-vq.dev.087", "admin-vq.drv.032")]
    public void Buffers_TooLong_AreIgnoredBehindWhatIsExpected()
    {
        using AdminBench bench = new AdminBench().WithObjects();
        byte[] tail = new byte[0x8000];
        tail.AsSpan().Fill(0xff);

        Answer answer = bench.Do(8, [.. Bytes(0ul), .. tail], room: 0x4000);

        Assert.Equal((Ok, 16u), (answer.Status, answer.WrittenBytes));
        Assert.Equal([8, 8, 0, 0, 0, 0, 0, 0], answer.Result);
        Assert.Equal(Ok, bench.Do(0, tail, member: 9).Status);
    }

    [Fact]
    [Clause("admin-vq.dev.090")]
    public void Commands_ManyWithOneKick_AreDoneInOrder()
    {
        using AdminBench bench = new();
        // The second is allowed by the first only, and forbidden by the third.
        byte[][] commands = [Command(1, 1ul << 7 | 3), Command(7, 0), Command(1, 3), Command(7, 0)];
        for (int index = 0; index < commands.Length; index++)
        {
            Assert.True(bench.Memory.TryWrite(new(0x2_0000 + (ulong)index * 256), commands[index]));
            Assert.True(bench.Memory.TryWrite(new(0x3_0000 + (ulong)index * 256), Paint()));
            bench.Add(commands[index].Length, 16, (ulong)index * 256);
        }

        bench.Driver.Kick(2);

        Assert.Equal([Ok, Ok, Ok, Invalid], commands.Select(_ => bench.Take(16).Status));
    }

    [Fact]
    [Clause("admin-vq.dev.025")]
    public void Capability_ThatIsNotThere_IsSaid()
    {
        using AdminBench bench = new AdminBench().WithObjects();

        Assert.Equal(Bytes(1ul), bench.Do(7, []).Result);
        Assert.Equal(NoSuch, bench.Do(8, Bytes(1ul)).Status);
        Assert.Equal(NoSuch, bench.Do(9, [.. Bytes(0x800ul), 1, 1]).Status);
    }

    [Theory]
    [InlineData(8, 8, Ok)]
    [InlineData(3, 0, Ok)]
    [InlineData(9, 8, Invalid)]
    [InlineData(0, 255, Invalid)]
    [Clause("admin-vq.dev.019", "admin-vq.dev.020", "admin-vq.dev.021", "admin-vq.drv.009")]
    public void CapabilitySet_ToALimit_IsTakenUpToTheDevices(byte forGetting, byte forSetting, ushort expected)
    {
        using AdminBench bench = new AdminBench().WithObjects(1, 1);

        Assert.Equal(expected, bench.Do(9, [.. Bytes(0ul), forGetting, forSetting]).Status);
    }

    [Fact]
    [Clause("admin-vq.dev.024", "admin-vq.drv.010", "admin-vq.drv.015")]
    public void CapabilitySet_BelowWhatThereIs_IsBusy()
    {
        using AdminBench bench = new AdminBench().WithObjects();
        Assert.Equal(Ok, bench.Create(3, 0));

        Assert.Equal(Busy, bench.Do(9, [.. Bytes(0ul), 0, 8]).Status);
        Assert.Equal(Busy, bench.Do(9, [.. Bytes(0ul), 2, 1]).Status);
        Assert.Equal(Ok, bench.Do(9, [.. Bytes(0ul), 2, 2]).Status);
        Assert.Equal(Ok, bench.Do(0xd, ObjectHeader(3)).Status);
        Assert.Equal(Ok, bench.Do(9, Bytes(0ul)).Status);
    }

    [Fact]
    [Clause("admin-vq.dev.027", "admin-vq.drv.008", "admin-vq.drv.016")]
    public void Create_BeforeTheDriverSaidHowMany_IsRefused()
    {
        using AdminBench bench = new();
        Assert.Equal(Ok, bench.Do(1, Bytes(AllCommands)).Status);

        Assert.Equal(Invalid, bench.Create(0, 0));
    }

    [Fact]
    [Clause(
        "admin-vq.dev.028",
        "admin-vq.dev.030",
        "admin-vq.dev.033",
        "admin-vq.dev.034",
        "admin-vq.dev.035",
        "admin-vq.drv.011",
        "admin-vq.drv.012"
    )]
    public void Create_AsManyAsTheDriverSaid_IsDone()
    {
        using AdminBench bench = new AdminBench().WithObjects(2, 1);

        Assert.Equal(Ok, bench.Create(2, 0));
        Assert.Equal(Exists, bench.Create(2, 1));
        Assert.Equal(Ok, bench.Create(0, 0));
        Assert.Equal(NoSpace, bench.Create(1, 0));
        Assert.Equal(Ok, bench.Create(1, 1));
        Assert.Equal(Invalid, bench.Create(3, 1));
        Assert.Equal(Invalid, bench.Create(uint.MaxValue, 1));
    }

    [Fact]
    public void Create_OfNothingThereIs_IsRefused()
    {
        using AdminBench bench = new AdminBench().WithObjects();

        Assert.Equal(Invalid, bench.Create(0, kind: 2));
        Assert.Equal(Invalid, bench.Create(0, 0, flags: 1));
        Assert.Equal(NoSuch, bench.Create(0, 0, type: 0x200));
    }

    [Fact]
    [Clause("admin-vq.dev.029", "admin-vq.dev.032", "admin-vq.drv.013")]
    public void Destroy_OfAnObject_LetsItBeMadeAgain()
    {
        using AdminBench bench = new AdminBench().WithObjects();
        Assert.Equal(Ok, bench.Create(5, 0));

        Assert.Equal(Ok, bench.Do(0xd, ObjectHeader(5)).Status);
        Assert.All(
            new ushort[] { 0xb, 0xc, 0xd, 0xe, 0xf, 0x10 },
            opcode => Assert.Equal(NoSuch, bench.Do(opcode, ObjectHeader(5)).Status)
        );
        Assert.Equal(Ok, bench.Create(5, 1));
    }

    [Fact]
    [Clause("admin-vq.dev.036", "admin-vq.dev.037")]
    public void Modify_OfAnObject_IsSeenByQueryUnlessItFails()
    {
        using AdminBench bench = new AdminBench().WithObjects(1, 1);
        Assert.Equal(Ok, bench.Create(0, 0));
        Assert.Equal(Bytes(0ul), bench.Do(0xc, ObjectHeader(0)).Result);

        Assert.Equal(Ok, bench.Do(0xb, [.. ObjectHeader(0), .. Bytes(0ul), 1]).Status);
        Assert.Equal(Bytes(1ul), bench.Do(0xc, ObjectHeader(0)).Result);
        Assert.Equal(Ok, bench.Create(1, 0));
        Assert.Equal(NoSpace, bench.Do(0xb, [.. ObjectHeader(0), .. Bytes(0ul), 0]).Status);
        Assert.Equal(Invalid, bench.Do(0xb, [.. ObjectHeader(0), .. Bytes(0ul), 9]).Status);
        Assert.Equal(Invalid, bench.Do(0xb, [.. ObjectHeader(0), .. Bytes(1ul), 1]).Status);
        Assert.Equal(Bytes(1ul), bench.Do(0xc, ObjectHeader(0)).Result);
    }

    [Fact]
    public void Commands_AnyContent_AreAnsweredAndLeaveAWorkingFunction()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("VIREO_SEED"), out int given)
            ? given
            : Random.Shared.Next();
        Random random = new(seed);
        using AdminBench bench = new AdminBench().WithObjects();
        bench.EnableOwnQueue();
        for (int command = 0; command < 20_000; command++)
        {
            byte[] bytes = new byte[random.Next(160)];
            int from = Math.Min(random.Next(24, 80), bytes.Length);
            random.NextBytes(bytes.AsSpan(from));
            Put(bytes, 0, (byte)random.Next(0x14));
            Put(bytes, 2, (byte)(random.Next(20) == 0 ? 1 : 0));
            Put(bytes, 28, (byte)random.Next(20));
            Put(bytes, 32, (byte)random.Next(3));
            Answer answer = bench.Send(bytes, (uint)random.Next(600));
            Assert.True(
                answer.Status is Ok or NoSuch or NoMemory or Busy or Exists or Invalid or NoSpace,
                $"seed {seed}"
            );
        }

        bench.Begin();
        Assert.Equal(Bytes(AllCommands), bench.WithObjects().Do(0, []).Result);
        Assert.False(bench.Driver.Status.HasFlag(DeviceStatus.NeedsReset), $"seed {seed}");
    }

    private static void Put(byte[] bytes, int offset, byte value)
    {
        if (offset < bytes.Length)
        {
            bytes[offset] = value;
        }
    }

    private static (ushort Status, ushort Qualifier) Refusal(Answer answer)
    {
        Assert.Equal(8u, answer.WrittenBytes);
        return (answer.Status, answer.Qualifier);
    }

    private static byte[] Command(ushort opcode, ulong data) => [.. Bytes(opcode), .. new byte[22], .. Bytes(data)];

    private static byte[] Paint() => [.. Enumerable.Repeat((byte)0xee, 16)];
}
