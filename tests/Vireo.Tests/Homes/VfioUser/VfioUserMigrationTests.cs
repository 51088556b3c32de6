using Vireo.Core.Spec;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes.VfioUser;

/// <summary>The state of a device moves from one server to another, and its guest notices nothing.</summary>
public sealed class VfioUserMigrationTests
{
    private const uint Get = 1 << 16;
    private const uint Set = 1 << 17;
    private const uint Probe = 1 << 18;

    private const uint LoggingStart = 6;
    private const uint LoggingStop = 7;
    private const uint LoggingReport = 8;

    private const uint Stop = 1;
    private const uint PreCopy = 6;
    private const uint Running = Client.MigrationRunning;
    private const uint StopCopy = Client.MigrationStopCopy;
    private const uint Resuming = Client.MigrationResuming;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void State_MovedToAnotherServer_GoesOnWithRequestsMadeMeanwhile(bool isPacked)
    {
        using HomeUnderTest source = new(new ProbeDevice());
        using HomeUnderTest destination = new(new ProbeDevice());
        using Client from = source.Agree();
        using Guest guest = new(from);
        guest.Start(FeatureSet.Empty.WithIf(CoreFeature.RingPacked, isPacked));
        for (int request = 0; request < 20; request++)
        {
            guest.Echo($"before {request}");
        }

        SetState(from, StopCopy);
        guest.Add("made while nobody runs");
        byte[] state = ReadAll(from);
        from.Dispose();

        using Client to = destination.Agree();
        to.Map(GuestRam.GuestBase, (ulong)guest.Ram.File.Size, guest.Ram.File.Handle);
        to.SetIrqs(2, 0, 2, 0x24, guest.ConfigInterrupt, guest.Interrupt);
        SetState(to, Resuming);
        WriteAll(to, state);
        SetState(to, Running);

        Assert.Equal("made while nobody runs", guest.Take());
        guest.DriveThrough(to);
        guest.Echo("after");
    }

    [Fact]
    public void State_OfAFunctionThatWasNeverUsed_Moves()
    {
        using HomeUnderTest source = new(new ProbeDevice());
        using Client client = source.Agree();
        SetState(client, StopCopy);
        byte[] state = ReadAll(client);
        SetState(client, Resuming);
        WriteAll(client, state);
        SetState(client, Running);
        using Guest guest = new(client);
        guest.Start();
        guest.Echo("it works");
    }

    [Fact]
    public void Features_OfMigration_AreThoseOfCopyingBeforeAndAfterTheStop()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();

        Assert.Equal(5ul, BitConverter.ToUInt64(client.Ask(Command.DeviceFeature, Feature(Get | 1)), 8));
        Assert.Equal(Running, BitConverter.ToUInt32(client.Ask(Command.DeviceFeature, Feature(Get | 2)), 8));
        client.Ask(Command.DeviceFeature, Feature(Probe | Get | 1));
        client.Ask(Command.DeviceFeature, Feature(Probe | Get | Set | 2));
        Assert.Equal(Errno.ENOTTY, client.AskInVain(Command.DeviceFeature, Feature(Probe | Set | 1)));
        Assert.Equal(Errno.ENOTTY, client.AskInVain(Command.DeviceFeature, Feature(Get | 6)));
        client.AskInVain(Command.DeviceFeature, Feature(2));
        client.AskInVain(Command.DeviceFeature, Feature(Get | Set | 2));
        client.AskInVain(Command.DeviceFeature, Feature(Set | 2));
        client.AskInVain(Command.DeviceFeature, new byte[7]);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(5u)]
    [InlineData(7u)]
    [InlineData(uint.MaxValue)]
    public void State_ThatCannotBeGoneTo_IsRefused(uint state)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();

        client.AskInVain(Command.DeviceFeature, Feature(Set | 2, state));
    }

    [Fact]
    public void Data_OutsideItsStates_IsRefused()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        client.AskInVain(Command.MigrationDataRead, Data(4096));
        client.AskInVain(Command.MigrationDataWrite, Data(1, 0));
        SetState(client, Stop);
        client.AskInVain(Command.MigrationDataRead, Data(4096));
        SetState(client, Resuming);
        client.AskInVain(Command.MigrationDataRead, Data(4096));
        client.AskInVain(Command.MigrationDataWrite, Data(2, 0));
        // No state has come, and none is no state.
        client.AskInVain(Command.DeviceFeature, Feature(Set | 2, StopCopy));
        client.Ask(Command.DeviceReset, []);
        SetState(client, StopCopy);
    }

    [Fact]
    public void State_ThatIsDamaged_IsRefusedUntilAReset()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        SetState(client, StopCopy);
        byte[] good = ReadAll(client);
        Random random = new(7);
        for (int round = 0; round < 300; round++)
        {
            byte[] state = [.. good];
            state[random.Next(state.Length)] ^= (byte)(1 << random.Next(8));
            state = state[..^random.Next(3)];
            SetState(client, Resuming);
            WriteAll(client, state);
            client.Send(Command.DeviceFeature, Feature(Set | 2, Stop));
            (Errno error, _) = client.Receive(Command.DeviceFeature);
            if (error != Errno.None)
            {
                client.AskInVain(Command.DeviceFeature, Feature(Set | 2, Running));
                client.Ask(Command.DeviceReset, []);
            }
        }

        client.Ask(Command.DeviceReset, []);
        using Guest guest = new(client);
        guest.Start();
        guest.Echo("a reset has mended it");
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Log_OfADeviceThatRuns_NamesEveryPageItWrites(bool isPacked, bool isDistant)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isDistant: isDistant);
        guest.Start(FeatureSet.Empty.WithIf(CoreFeature.RingPacked, isPacked).With(CoreFeature.EventIndex));
        guest.Echo("before");
        SetState(client, PreCopy);
        ulong length = (ulong)guest.Ram.File.Size;
        client.Ask(Command.DeviceFeature, StartLog(GuestRam.GuestBase, length));
        for (int request = 0; request < 20; request++)
        {
            guest.Add($"request {request}");
            // All that the driver has written is in the copy; what the device writes is copied when it is reported.
            byte[] copy = guest.Ram.Bytes.ToArray();
            guest.Driver.Kick(0);
            Assert.Equal($"request {request}", guest.Take());
            guest.ExpectInterrupt();
            client.PumpUntil(
                () =>
                {
                    CopyReported(client, guest, copy);
                    return guest.Ram.Bytes.SequenceEqual(copy);
                },
                "a page was written and not reported"
            );
        }

        SetState(client, StopCopy);
        byte[] last = guest.Ram.Bytes.ToArray();
        CopyReported(client, guest, last);
        Assert.Equal(0, CopyReported(client, guest, last));
        client.Ask(Command.DeviceFeature, Feature(Set | LoggingStop));
        SetState(client, Running);
        guest.Echo("after");
    }

    [Fact]
    public void Log_ReportedInLargerPages_HasABitForEach()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.Start();
        client.Ask(Command.DeviceFeature, StartLog(0, GuestRam.GuestBase + (ulong)guest.Ram.File.Size));
        guest.Echo("a page of a buffer, and one of the ring");

        byte[] report = client.Ask(
            Command.DeviceFeature,
            Report(0, GuestRam.GuestBase + (ulong)guest.Ram.File.Size, GuestRam.GuestBase)
        );
        // The memory begins at 1 GiB, and a bit stands for that much.
        Assert.Equal(8, report.Length - 32);
        Assert.Equal(0b10, report[32]);
    }

    [Fact]
    public void Log_ThatCannotBe_IsRefused()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        client.AskInVain(Command.DeviceFeature, Feature(Set | LoggingStop));
        client.AskInVain(Command.DeviceFeature, Report(0, 0x1000, 0x1000));
        client.AskInVain(Command.DeviceFeature, Feature(Set | LoggingStart));
        client.AskInVain(Command.DeviceFeature, StartLog(0, 0));
        client.AskInVain(Command.DeviceFeature, StartLog(ulong.MaxValue, 2));
        client.AskInVain(Command.DeviceFeature, StartLog(1ul << 60, 0x1000));
        client.AskInVain(Command.DeviceFeature, StartLog(0, 0x1000).AsSpan()[..^1]);
        Assert.Equal(Errno.ENOTTY, client.AskInVain(Command.DeviceFeature, Feature(Set | LoggingReport)));
        client.Ask(Command.DeviceFeature, Feature(Probe | Set | LoggingStart));
        client.Ask(Command.DeviceFeature, Feature(Probe | Get | LoggingReport));

        byte[] answer = client.Ask(Command.DeviceFeature, StartLog(0x1000, 0x10_0000, pageBytes: 1 << 20));
        Assert.Equal(4096ul, BitConverter.ToUInt64(answer, 8));
        Assert.Equal(Errno.EBUSY, client.AskInVain(Command.DeviceFeature, StartLog(0, 0x1000)));
        client.AskInVain(Command.DeviceFeature, Feature(Get | LoggingReport));
        client.AskInVain(Command.DeviceFeature, Report(0, 0x1000, 0x800));
        client.AskInVain(Command.DeviceFeature, Report(0, 0x1000, 0x1800));
        client.AskInVain(Command.DeviceFeature, Report(0x800, 0x1000, 0x1000));
        client.AskInVain(Command.DeviceFeature, Report(0, 0, 0x1000));
        client.AskInVain(Command.DeviceFeature, Report(0, 1ul << 40, 0x1000));
        client.AskInVain(Command.DeviceFeature, Report(ulong.MaxValue - 0xfff, 0x2000, 0x1000));
        client.Ask(Command.DeviceFeature, Report(0x1000, 0x1000, 0x1000));
        client.Ask(Command.DeviceFeature, Feature(Set | LoggingStop));
        client.Ask(Command.DeviceFeature, StartLog(0, 0x1000));
    }

    [Fact]
    public void PreCopy_ToAnotherServer_LosesNothing()
    {
        using HomeUnderTest source = new(new ProbeDevice());
        using HomeUnderTest destination = new(new ProbeDevice());
        using Client from = source.Agree();
        using Guest guest = new(from);
        guest.Start();
        SetState(from, PreCopy);
        // It runs, and has nothing to say yet.
        guest.Echo("while it is copied");
        Assert.Equal(8, from.Ask(Command.MigrationDataRead, Data(4096)).Length);
        SetState(from, Running);
        SetState(from, PreCopy);
        guest.Echo("and after it was called off once");
        SetState(from, StopCopy);
        byte[] state = ReadAll(from);
        from.Dispose();

        using Client to = destination.Agree();
        guest.DriveThrough(to);
        guest.ShareMemory();
        guest.WireInterrupts();
        SetState(to, Resuming);
        WriteAll(to, state);
        SetState(to, Running);
        guest.Echo("there");
    }

    private static byte[] StartLog(ulong address, ulong length, ulong pageBytes = 4096) =>
        [
            .. Feature(Set | LoggingStart),
            .. BitConverter.GetBytes(pageBytes),
            .. BitConverter.GetBytes(1u),
            .. BitConverter.GetBytes(0u),
            .. BitConverter.GetBytes(address),
            .. BitConverter.GetBytes(length),
        ];

    private static byte[] Report(ulong address, ulong length, ulong pageBytes) =>
        [
            .. Feature(Get | LoggingReport),
            .. BitConverter.GetBytes(address),
            .. BitConverter.GetBytes(length),
            .. BitConverter.GetBytes(pageBytes),
        ];

    /// <summary>Asks which pages were written, and copies these.</summary>
    /// <returns>How many.</returns>
    private static int CopyReported(Client client, Guest guest, byte[] copy)
    {
        const int PageBytes = 4096;
        byte[] answer = client.Ask(
            Command.DeviceFeature,
            Report(GuestRam.GuestBase, (ulong)guest.Ram.File.Size, PageBytes)
        );
        ReadOnlySpan<byte> bitmap = answer.AsSpan(32);
        int count = 0;
        for (int page = 0; page < copy.Length / PageBytes; page++)
        {
            if ((bitmap[page / 8] >> page % 8 & 1) != 0)
            {
                count++;
                guest.Ram.Bytes.Slice(page * PageBytes, PageBytes).CopyTo(copy.AsSpan(page * PageBytes));
            }
        }

        return count;
    }

    private static void SetState(Client client, uint state) => client.SetMigrationState(state);

    private static byte[] Feature(uint flags, uint? state = null) => Client.FeatureRequest(flags, state);

    private static byte[] Data(uint count, params ReadOnlySpan<byte> data) => Client.StateRequest(count, data);

    private static byte[] ReadAll(Client client) => client.ReadState();

    private static void WriteAll(Client client, byte[] state) => client.WriteState(state);
}
