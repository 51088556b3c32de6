using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes.VfioUser;

/// <summary>Guests whose memory came without a file: rings and buffers travel by messages (decision 0022).</summary>
public sealed class DistantMemoryTests
{
    /// <summary>A client that takes so little at a time that each buffer is in several messages.</summary>
    private const string LittleAtATime =
        """{"capabilities": {"max_msg_fds": 16, "max_data_xfer_size": 48, "write_multiple": true}}""";

    private const uint Stop = 1;

    public static MatrixTheoryData<bool, bool, bool> Layouts => new([false, true], [false, true], [false, true]);

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Guest_WithoutSharedMemory_IsServed(bool isPacked, bool isShortCount, bool hasEventIndex)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isDistant: true, isShortCount: isShortCount);
        guest.Start(Rings(isPacked, hasEventIndex));

        for (int request = 0; request < 40; request++)
        {
            guest.Echo($"request {request} of many");
        }

        Assert.NotEqual(0, guest.Distant.Commands);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Guest_WithLineInterrupt_IsServed(bool isPacked)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isMsix: false, isDistant: true);
        guest.Start(Rings(isPacked));

        guest.Echo("first");
        guest.Echo("second");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Requests_ManyAtOnce_AllComeBack(bool isPacked)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isDistant: true);
        guest.Start(Rings(isPacked));

        for (int round = 0; round < 20; round++)
        {
            string[] texts = [.. Enumerable.Range(0, 6).Select(index => $"round {round}, request {index}")];
            foreach (string text in texts)
            {
                guest.Add(text);
            }

            guest.Driver.Kick(0);
            string[] answers = [.. texts.Select(_ => guest.Take())];
            Array.Sort(answers, StringComparer.Ordinal);
            Assert.Equal(texts, answers, StringComparer.Ordinal);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Driver_ThatSleepsUntilItIsInterrupted_MissesNoAnswer(bool isPacked)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isDistant: true);
        guest.Start(Rings(isPacked));

        for (int round = 0; round < 100; round++)
        {
            // The device answers while earlier answers are on their way.
            guest.Add("early");
            guest.Driver.Kick(0);
            guest.Add("late");
            guest.Driver.Kick(0);
            guest.TakeAsleep(2);
        }
    }

    [Fact]
    public void Transfers_LongerThanTheClientTakes_ComeInPieces()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Connect();
        client.Agree(LittleAtATime);
        using Guest guest = new(client, isDistant: true);
        guest.Start();

        guest.Echo(new string('x', 200));
        Assert.Equal(48ul, guest.Distant.LongestBytes);
    }

    [Fact]
    public void Ring_InSharedMemory_NeedsNoMessages()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        client.Map(0xc_0000, 0x4_0000, null, flags: 1);
        using Guest guest = new(client);
        guest.Start();

        guest.Echo("a ROM without a file is nobody's business");
    }

    [Fact]
    public void Ring_PartlyShared_NeedsAReset()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isDistant: true);
        QueueAreas areas = GuestRam.Areas(0, 16);
        ulong split = areas.Driver.Value - GuestRam.GuestBase;
        client.Map(GuestRam.GuestBase, split, guest.Ram.File.Handle);
        client.Map(areas.Driver.Value, 0x10_0000, null);
        guest.WireInterrupts();
        guest.StartDriver();

        client.Settle();
        home.ExpectLog("is shared, and other parts of the ring are not");
        Assert.True(guest.Driver.Status.HasFlag(DeviceStatus.NeedsReset));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Memory_TakenAwayAndGivenBack_LosesNothing(bool isPacked)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isDistant: true);
        guest.Start(Rings(isPacked));
        for (int round = 0; round < 10; round++)
        {
            guest.Echo($"before {round}");
            client.Ask(Command.DmaUnmap, Client.UnmapRequest(GuestRam.GuestBase, (ulong)guest.Ram.File.Size));
            guest.Add($"meanwhile {round}");
            guest.ShareMemory();
            Assert.Equal($"meanwhile {round}", guest.Take());
            guest.ExpectInterrupt();
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void State_MovedToAnotherServer_GoesOn(bool isPacked)
    {
        using HomeUnderTest source = new(new ProbeDevice());
        using HomeUnderTest destination = new(new ProbeDevice());
        using Client from = source.Agree();
        using Guest guest = new(from, isDistant: true);
        guest.Start(Rings(isPacked));
        guest.Echo("before");
        guest.Echo("and again");

        from.SetMigrationState(Client.MigrationStopCopy);
        guest.Add("made while nobody runs");
        byte[] state = from.ReadState();
        from.Dispose();

        using Client to = destination.Agree();
        guest.DriveThrough(to);
        guest.ShareMemory();
        guest.WireInterrupts();
        to.SetMigrationState(Client.MigrationResuming);
        to.WriteState(state);
        to.SetMigrationState(Client.MigrationRunning);
        Assert.Equal("made while nobody runs", guest.Take());
        guest.ExpectInterrupt();
        guest.Echo("after");
    }

    [Fact]
    public void Stop_OfTheDevice_LeavesNothingUndelivered()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isDistant: true);
        guest.Start();
        guest.Echo("warm");
        guest.Add("used, or still available");
        guest.Driver.Kick(0);
        client.SetMigrationState(Stop);
        client.SetMigrationState(Client.MigrationRunning);

        Assert.Equal("used, or still available", guest.Take());
    }

    [Fact]
    public void Reset_WhileWritesAreUnderWay_IsNotCompleteBeforeTheyHaveCome()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isDistant: true);
        guest.Start();
        guest.Echo("warm");
        guest.Add("answered late");
        guest.Distant.Tamper = answer =>
        {
            // From the first write of the answer on, the client says nothing.
            guest.Distant.IsSilent |= answer.Command == Command.DmaWrite;
            return answer;
        };
        guest.Driver.Kick(0);
        client.PumpUntil(() => guest.Distant.IsSilent, "no write came");
        guest.Distant.Tamper = null;
        SpinUntilUnanswered(client, guest);

        byte[] status = [0];
        client.WriteBar(0, 20, status);
        client.ReadBar(0, 20, status);
        Assert.NotEqual(0, status[0]);

        guest.Distant.Release(client);
        client.PumpUntil(
            () =>
            {
                client.ReadBar(0, 20, status);
                return status[0] == 0;
            },
            "the reset is never complete"
        );
    }

    [Fact]
    public void Client_ThatDoesNotAnswer_IsServedAllTheSame()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using (Client client = home.Agree())
        {
            using Guest guest = new(client, isDistant: true);
            guest.Distant.IsSilent = true;
            guest.Start();
            guest.Driver.Kick(0);
            client.Settle();
            client.Ask(Command.DmaUnmap, Client.UnmapRequest(0, 0, flags: 2));
            guest.ShareMemory();
            client.Settle();
        }

        using Client next = home.Agree();
        next.Ask(Command.DeviceReset, []);
        using Guest other = new(next, isDistant: true);
        other.Start();
        other.Echo("served");
    }

    [Fact]
    public void Client_ThatRefuses_FindsADeviceInNeedOfReset()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isDistant: true);
        guest.Start();
        guest.Echo("warm");
        guest.Distant.Tamper = static answer => answer with { Error = Errno.EFAULT };
        guest.Driver.Kick(0);
        client.PumpUntil(() => home.Log.Holds("was answered with EFAULT"), "nothing is said");
        Assert.True(guest.Driver.Status.HasFlag(DeviceStatus.NeedsReset));

        guest.Distant.Tamper = null;
        client.Ask(Command.DeviceReset, []);
        guest.StartDriver();
        guest.Echo("mended");
    }

    [Theory]
    [InlineData("id")]
    [InlineData("command")]
    [InlineData("short")]
    [InlineData("long")]
    [InlineData("empty")]
    [InlineData("address")]
    [InlineData("count")]
    public void Client_ThatAnswersWrongly_IsDisconnected(string what)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using (Client client = home.Agree())
        {
            using Guest guest = new(client, isDistant: true);
            guest.Start();
            guest.Echo("warm");
            bool isTampered = false;
            guest.Distant.Tamper = answer =>
            {
                if (answer.Command != Command.DmaRead)
                {
                    return answer;
                }

                isTampered = true;
                guest.Distant.IsSilent = true;
                return Spoil(answer, what);
            };
            guest.Driver.Kick(0);
            client.PumpUntil(() => isTampered, "no read came");
            Assert.True(SpinWait.SpinUntil(() => !client.Drain(), Client.Patience), "the connection is still there");
        }

        using Client next = home.Agree();
        next.Ask(Command.DeviceReset, []);
        using Guest other = new(next, isDistant: true);
        other.Start();
        other.Echo("served");
    }

    [Fact]
    public void Client_ThatGoesBeforeItHasBeenTold_LeavesADeviceInNeedOfReset()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using (Client client = home.Agree())
        {
            using Guest guest = new(client, isDistant: true);
            guest.Start();
            guest.Echo("warm");
            guest.Add("never delivered");
            guest.Distant.Tamper = answer =>
            {
                guest.Distant.IsSilent |= answer.Command == Command.DmaWrite;
                return answer;
            };
            guest.Driver.Kick(0);
            client.PumpUntil(() => guest.Distant.IsSilent, "no write came");
            SpinUntilUnanswered(client, guest);
        }

        home.ExpectLog("that was not told of all requests");
    }

    [Fact]
    public void Range_TooLargeForAMirror_IsTakenAndOutOfReach()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        client.Map(1ul << 60, 1ul << 60, null);

        home.ExpectLog("is out of reach");
        using Guest guest = new(client, isDistant: true);
        guest.Start();
        guest.Echo("the rest is served");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rings_OfGarbage_LeaveAWorkingHome(bool isPacked)
    {
        const int Rounds = 100;
        int seed = int.TryParse(Environment.GetEnvironmentVariable("VIREO_SEED"), out int given) ? given : 1;
        TestContext.Current.TestOutputHelper?.WriteLine($"VIREO_SEED={seed}");
        Random random = new(seed);
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isDistant: true);
        guest.Start(Rings(isPacked));
        for (int round = 0; round < Rounds; round++)
        {
            Litter(guest, random);
            guest.Driver.Kick(0);
            client.Settle();
            Litter(guest, random);
            guest.Driver.Kick(0);
            client.Settle();
            client.Ask(Command.DeviceReset, []);
            guest.StartDriver(Rings(isPacked));
        }

        guest.Echo("works");
    }

    /// <summary>Writes nonsense into the ring, half of whose descriptors name memory that is there.</summary>
    private static void Litter(Guest guest, Random random)
    {
        const ushort Size = 16;
        QueueAreas areas = GuestRam.Areas(0, Size);
        byte[] descriptors = new byte[16 * Size];
        random.NextBytes(descriptors);
        for (int index = 0; index < Size; index++)
        {
            Span<byte> descriptor = descriptors.AsSpan(16 * index, 16);
            if (random.Next(2) == 0)
            {
                BitConverter.TryWriteBytes(
                    descriptor,
                    GuestRam.GuestBase + (ulong)random.Next((int)guest.Ram.File.Size)
                );
                BitConverter.TryWriteBytes(descriptor[8..], random.Next(4096));
            }

            // Of the flags, those that mean something; of split rings, a next one that may be there.
            descriptor[12] &= 7;
            descriptor[13] &= (byte)random.Next(256);
            descriptor[14] &= (byte)random.Next(32);
        }

        byte[] available = new byte[6 + 2 * Size];
        random.NextBytes(available);
        available[2] = (byte)random.Next(Size + 2);
        available[3] = 0;
        for (int entry = 4; entry < available.Length; entry += 2)
        {
            available[entry] = (byte)random.Next(Size + 1);
            available[entry + 1] = 0;
        }

        Assert.True(guest.Ram.Memory.TryWrite(areas.Descriptors, descriptors));
        Assert.True(guest.Ram.Memory.TryWrite(areas.Driver, available));
    }

    private static DistantRam.Answer Spoil(DistantRam.Answer answer, string what)
    {
        byte[] payload = [.. answer.Payload];
        switch (what)
        {
            case "id":
                return answer with { Id = (ushort)(answer.Id ^ 0x8000) };
            case "command":
                return answer with { Command = Command.DmaWrite };
            case "short":
                return answer with { Payload = payload[..^1] };
            case "long":
                return answer with { Payload = [.. payload, 0] };
            case "empty":
                return answer with { Payload = [] };
            case "address":
                payload[0] ^= 1;
                return answer with { Payload = payload };
            default:
                payload[8] ^= 1;
                return answer with { Payload = payload };
        }
    }

    /// <summary>Receives what comes until the command that stays without an answer is among it.</summary>
    private static void SpinUntilUnanswered(Client client, Guest guest)
    {
        int before = guest.Distant.Commands;
        client.PumpUntil(() => guest.Distant.Commands > before, "nothing more came");
    }

    private static FeatureSet Rings(bool isPacked, bool hasEventIndex = true) =>
        FeatureSet
            .Empty.WithIf(CoreFeature.RingPacked, isPacked)
            .WithIf(CoreFeature.EventIndex, hasEventIndex)
            .With(CoreFeature.IndirectDescriptors);
}
