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

    private const uint Stop = 1;
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
    public void Features_OfMigration_AreThoseOfStopAndCopy()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();

        Assert.Equal(1ul, BitConverter.ToUInt64(client.Ask(Command.DeviceFeature, Feature(Get | 1)), 8));
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
    [InlineData(6u)]
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

    private static void SetState(Client client, uint state) => client.SetMigrationState(state);

    private static byte[] Feature(uint flags, uint? state = null) => Client.FeatureRequest(flags, state);

    private static byte[] Data(uint count, params ReadOnlySpan<byte> data) => Client.StateRequest(count, data);

    private static byte[] ReadAll(Client client) => client.ReadState();

    private static void WriteAll(Client client, byte[] state) => client.WriteState(state);
}
