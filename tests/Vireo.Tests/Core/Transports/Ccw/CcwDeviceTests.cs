using System.Buffers.Binary;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Ccw;

namespace Vireo.Tests.Core.Transports.Ccw;

/// <summary>What only channel I/O has: programs, revisions, indicators.</summary>
public sealed class CcwDeviceTests
{
    private const int Sli = 0x20;
    private const int Chain = 0x40;
    private const int ChainData = 0x80;
    private const int Ida = 0x04;

    private const UnitStatus Good = UnitStatus.ChannelEnd | UnitStatus.DeviceEnd;

    private static readonly QueueAreas Areas = new(8, new(0x2000), new(0x3000), new(0x4000));

    private readonly ProbeHost _host = new();

    [Fact]
    public void SenseId_OfADevice_SaysWhatItIs()
    {
        using ProbeDevice device = new(8) { TypeValue = DeviceType.Net };
        using ChannelMachine machine = new(device, _host);
        byte[] identity = new byte[64];
        ChannelResult result = machine.Run(0xe4, identity, Sli);

        Assert.True(result.IsGood);
        Assert.Equal(57, result.Residual);
        Assert.Equal([0xff, 0x38, 0x32, 1, 0, 0, 0], identity[..7]);
    }

    [Theory]
    [Clause("ccw.dev.001")]
    [InlineData(0x01)]
    [InlineData(0x13 + 0x80)]
    [InlineData(0x72)]
    [InlineData(0xff)]
    public void Command_ThatIsNotSupported_IsRejectedAndSensed(int command)
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(1, 0)).IsGood);
        ChannelResult result = machine.Run(command, new byte[4]);
        byte[] sense = new byte[32];

        Assert.Equal((Good | UnitStatus.UnitCheck, ChannelStatus.None), (result.Unit, result.Channel));
        Assert.True(machine.Run(0x04, sense).IsGood);
        Assert.Equal(0x80, sense[0]);
        Assert.True(machine.Run(0x04, sense).IsGood);
        Assert.Equal(0, sense[0]);
    }

    [Theory]
    [Clause("ccw.dev.002")]
    [InlineData(0x31, 2)]
    [InlineData(0x31, 0)]
    [InlineData(0x12, 4)]
    [InlineData(0x12, 6)]
    [InlineData(0x13, 31)]
    [InlineData(0x73, 24)]
    [InlineData(0xe4, 6)]
    [InlineData(0x83, 3)]
    [InlineData(0x83, 5)]
    [InlineData(0x22, 5)]
    [InlineData(0x21, 5)]
    public void Length_ThatIsWrong_IsPresented(int command, int length)
    {
        using ProbeDevice device = new(8) { Config = new byte[4] };
        using ChannelMachine machine = new(device, _host);
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(2, 0)).IsGood);
        byte[] data = new byte[length];
        ChannelMachine.Big16(2, 0).AsSpan(0, Math.Min(length, 4)).CopyTo(data);

        Assert.Equal(ChannelStatus.IncorrectLength, machine.Run(command, data).Channel);
    }

    [Theory]
    [Clause("ccw.dev.003")]
    [InlineData(0x31, 0)]
    [InlineData(0x11, 4)]
    [InlineData(0x13, 31)]
    [InlineData(0x43, 7)]
    [InlineData(0x73, 24)]
    [InlineData(0x83, 3)]
    public void Length_TooShortAndSuppressed_IsRejected(int command, int length)
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(2, 0)).IsGood);

        Assert.True(machine.Run(command, new byte[length], Sli).Unit.HasFlag(UnitStatus.UnitCheck));
    }

    [Theory]
    [Clause("ccw.dev.004")]
    [InlineData(0x72, 1)]
    [InlineData(0x12, 5)]
    [InlineData(0x32, 4)]
    [InlineData(0x43, 8)]
    [InlineData(0x22, 4)]
    [InlineData(0x21, 4)]
    [InlineData(0x04, 32)]
    public void Length_TooLongAndSuppressed_IsTaken(int command, int length)
    {
        using ProbeDevice device = new(8) { Config = new byte[4] };
        using ChannelMachine machine = new(device, _host);
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(2, 0)).IsGood);
        ChannelResult result = machine.Run(command, new byte[100], Sli);

        Assert.True(result.IsGood);
        Assert.Equal(100 - length, result.Residual);
    }

    [Theory]
    [Clause("ccw.dev.005", "ccw.dev.006", "ccw.dev.007")]
    [InlineData(0, 0)]
    [InlineData(3, 0)]
    [InlineData(0xffff, 0)]
    [InlineData(1, 1)]
    [InlineData(2, 0xffff)]
    public void Revision_ThatIsNotSupported_IsRejected(int revision, int length)
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);

        Assert.True(
            machine.Run(0x83, ChannelMachine.Big16((ushort)revision, (ushort)length)).Unit.HasFlag(UnitStatus.UnitCheck)
        );
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(2, 0)).IsGood);
    }

    [Fact]
    [Clause("ccw.dev.008")]
    public void Revision_One_DoesNotKnowReadStatus()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(1, 0)).IsGood);

        Assert.True(machine.Run(0x72, new byte[1]).Unit.HasFlag(UnitStatus.UnitCheck));
        Assert.True(machine.Run(0x12, new byte[5]).IsGood);
    }

    [Fact]
    [Clause("ccw.dev.009", "ccw.dev.010")]
    public void Revision_OnceSelected_StandsUntilTheSubchannelIsReset()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        foreach (int command in (int[])[0x11, 0x12, 0x13, 0x22, 0x31, 0x33, 0x43, 0x72, 0x73])
        {
            Assert.True(machine.Run(command, new byte[1], Sli).Unit.HasFlag(UnitStatus.UnitCheck));
        }

        Assert.True(machine.Run(0x83, ChannelMachine.Big16(1, 0)).IsGood);
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(2, 0)).Unit.HasFlag(UnitStatus.UnitCheck));
        machine.Device.ResetSubchannel();
        Assert.True(machine.Run(0x12, new byte[5]).Unit.HasFlag(UnitStatus.UnitCheck));
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(2, 0)).IsGood);
        Assert.True(machine.Run(0x72, new byte[1]).IsGood);
    }

    [Fact]
    [Clause("ccw.dev.011")]
    public void SetQueue_ReservedField_DoesNotCount()
    {
        using ProbeDevice device = new(8, 16);
        using ChannelMachine machine = new(device, _host);
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(2, 0)).IsGood);
        byte[] block =
        [
            .. ChannelMachine.Big64(0x2000),
            .. ChannelMachine.Big32(0xffff_ffff),
            .. ChannelMachine.Big16(1, 8),
            .. ChannelMachine.Big64(0x3000, 0x4000),
        ];

        Assert.True(machine.Run(0x13, block).IsGood);
        Assert.Equal(Areas, machine.Device.Lifecycle.SetupOf(1)!.Value.Areas);
    }

    [Theory]
    [InlineData(0, 6)]
    [InlineData(0, 0x8000)]
    [InlineData(1, 8)]
    [InlineData(0xffff, 8)]
    public void SetQueue_ThatCannotBe_IsRejected(int index, int size)
    {
        using ProbeDevice device = new(16);
        using ChannelMachine machine = new(device, _host);
        CcwDriver driver = new(machine, machine.Memory, 0x1000);

        Assert.Throws<DeviceException>(() => driver.EnableQueue(index, Areas with { Size = (ushort)size }));
        driver.EnableQueue(0, Areas);
        Assert.Throws<DeviceException>(() => driver.EnableQueue(0, Areas));
        driver.DisableQueue(0);
        driver.EnableQueue(0, Areas);
        Assert.Equal(0, driver.ReadSizeMax(7));
    }

    [Fact]
    [Clause("ccw.dev.012", "ccw.dev.013")]
    public void Status_ThatIsNotTaken_StaysAndIsRejected()
    {
        using ProbeDevice device = new(8) { Refusal = "no" };
        using ChannelMachine machine = new(device, _host);
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(2, 0)).IsGood);
        Assert.True(machine.Run(0x31, [3]).IsGood);
        foreach (byte status in (byte[])[1, 7, 0x0b, 0x0f, 0x13, 0x23, 0x43])
        {
            Assert.True(machine.Run(0x31, [status]).Unit.HasFlag(UnitStatus.UnitCheck), $"status {status:x}");
            byte[] read = new byte[1];
            Assert.True(machine.Run(0x72, read).IsGood);
            Assert.Equal(3, read[0]);
        }

        Assert.True(machine.Run(0x31, [0x83]).IsGood);
        Assert.True(machine.Run(0x31, [0]).IsGood);
    }

    [Fact]
    [Clause("ccw.dev.014")]
    public void ClassicIndicators_AfterTwoStageOnes_AreRejected()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        CcwDriver driver = new(machine, machine.Memory, 0x1000);
        driver.UseAdapterIndicators(new(0x5000), new(0x5100), 0, 3);

        Assert.True(machine.Run(0x43, ChannelMachine.Big64(0x6000)).Unit.HasFlag(UnitStatus.UnitCheck));
        Assert.True(machine.Run(0x53, ChannelMachine.Big64(0x6000)).IsGood);
    }

    [Fact]
    [Clause("ccw.dev.016")]
    public void TwoStageIndicators_AfterClassicOnes_AreRejected()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        CcwDriver driver = new(machine, machine.Memory, 0x1000);
        driver.UseClassicIndicators();

        Assert.Throws<DeviceException>(() => driver.UseAdapterIndicators(new(0x5000), new(0x5100), 0, 3));
        Assert.True(machine.Run(0x43, new byte[8]).IsGood);
        driver.UseAdapterIndicators(new(0x5000), new(0x5100), 0, 3);
    }

    [Theory]
    [Clause("ccw.dev.015", "ccw.dev.017")]
    [InlineData(0ul, 0, 0x80)]
    [InlineData(5ul, 0, 0x04)]
    [InlineData(15ul, 1, 0x01)]
    [InlineData(100ul, 12, 0x08)]
    public void TwoStageIndicators_OfACall_AreSetAndInterruptOnce(ulong bit, int byteIndex, byte mask)
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        CcwDriver driver = new(machine, machine.Memory, 0x1000);
        driver.UseAdapterIndicators(new(0x5000), new(0x5100), bit, 5);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();
        device.Started[0].Call!.Notify();
        device.Started[0].Call!.Notify();

        Assert.Equal([1], machine.Get(0x5000, 1));
        Assert.Equal(mask, machine.Get(0x5100, 16)[byteIndex]);
        Assert.Equal([5], _host.AdapterInterrupts);
        machine.Put(0x5000, [0]);
        device.Started[0].Call!.Notify();
        Assert.Equal([5, 5], _host.AdapterInterrupts);
        device.Host.NotifyConfigChanged();
        Assert.Equal(1ul, driver.TakeConfigIndicators());
        Assert.Equal(1, _host.SubchannelInterrupts);
    }

    [Fact]
    public void ClassicIndicators_OfACall_AreTheQueuesBit()
    {
        using ProbeDevice device = new(8, 8, 8);
        using ChannelMachine machine = new(device, _host);
        CcwDriver driver = new(machine, machine.Memory, 0x1000);
        driver.UseClassicIndicators();
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.EnableQueue(2, Areas);
        driver.Start();
        device.Started[0].Call!.Notify();
        device.Started[1].Call!.Notify();

        Assert.Equal(5ul, driver.TakeQueueIndicators());
        Assert.Equal(2, _host.SubchannelInterrupts);
    }

    [Theory]
    [InlineData(0x43, 0x7fff_0000_0000ul)]
    [InlineData(0x53, ulong.MaxValue)]
    [InlineData(0x53, ulong.MaxValue - 8)]
    public void Indicators_OutsideMemory_AreNotTouched(int command, ulong address)
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        CcwDriver driver = new(machine, machine.Memory, 0x1000);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();
        Assert.True(machine.Run(command, ChannelMachine.Big64(address)).IsGood);
        device.Started[0].Call!.Notify();
        device.Host.NotifyConfigChanged();

        Assert.Equal(0, _host.SubchannelInterrupts);
    }

    [Fact]
    [Clause("ccw.dev.018", "ccw.dev.019")]
    public void Notify_ForThisSubchannel_KicksWhateverTheUpperHalfSays()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        CcwDriver driver = new(machine, machine.Memory, 0x1000);
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();

        Assert.Equal(7ul, machine.Device.Notify(0xffff_ffff_0001_0000, 0, 7));
        Assert.Equal(7ul, machine.Device.Notify(0x0001_0000, 0, 7));
        Assert.Null(machine.Device.Notify(0x0001_0001, 0, 7));
        Assert.NotNull(machine.Device.Notify(0x0001_0000, 5, 7));
        Assert.Equal(2, _host.Kicks(0).Count);
    }

    [Fact]
    [Clause("ccw.dev.020", "ccw.dev.021")]
    public void Reset_ThatHasEnded_HasStoppedEverything()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        CcwDriver driver = new(machine, machine.Memory, 0x1000);
        driver.UseClassicIndicators();
        driver.Negotiate(FeatureSet.Empty);
        driver.EnableQueue(0, Areas);
        driver.Start();
        Assert.True(machine.Run(0x33, []).IsGood);

        Assert.Empty(device.Running);
        Assert.Equal(DeviceStatus.None, driver.Status);
        device.Started[0].Call!.Notify();
        device.Host.NotifyConfigChanged();
        Assert.Equal(0, _host.SubchannelInterrupts);
    }

    [Fact]
    public void Program_OfSeveralCommands_RunsUntilOneIsRejected()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        machine.Put(0x9000, ChannelMachine.Big16(2, 0), [3]);
        ChannelResult result = machine.RunWords(
            ChannelMachine.Word(0x03, Chain | Sli, 0, 0),
            ChannelMachine.Word(0x83, Chain, 4, 0x9000),
            ChannelMachine.Word(0x31, Chain, 1, 0x9004),
            ChannelMachine.Word(0xff, Chain, 1, 0x9000),
            ChannelMachine.Word(0x33, 0, 0, 0)
        );

        Assert.Equal(ChannelMachine.ProgramAt + 32, result.Address);
        Assert.True(result.Unit.HasFlag(UnitStatus.UnitCheck));
        Assert.Equal(DeviceStatus.Acknowledge | DeviceStatus.Driver, machine.Device.Lifecycle.Status);
    }

    [Fact]
    public void Program_WithChainedDataAndJump_MovesItAll()
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4, 5, 6] };
        using ChannelMachine machine = new(device, _host);
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(2, 0)).IsGood);
        machine.Put(0xa000, ChannelMachine.Word(0, ChainData | 0x10, 2, 0xb100), ChannelMachine.Word(0, 0, 2, 0xb200));
        ChannelResult result = machine.RunWords(
            ChannelMachine.Word(0x22, ChainData, 2, 0xb000),
            ChannelMachine.Word(0x08, 0, 0, 0xa000)
        );

        Assert.True(result.IsGood);
        Assert.Equal([1, 2], machine.Get(0xb000, 2));
        Assert.Equal([0, 0], machine.Get(0xb100, 2));
        Assert.Equal([5, 6], machine.Get(0xb200, 2));
    }

    [Theory]
    [InlineData(false, false, 2048)]
    [InlineData(true, true, 2048)]
    [InlineData(true, false, 4096)]
    public void Program_WithIndirectAddresses_MovesItAll(bool isLong, bool isSmall, int blockBytes)
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4, 5, 6] };
        using ChannelMachine machine = new(device, _host);
        Assert.True(machine.Run(0x83, ChannelMachine.Big16(2, 0)).IsGood);
        uint first = 0x2_0000 + (uint)blockBytes - 4;
        byte[] list = isLong
            ? ChannelMachine.Big64(first, 0x3_0000)
            : [.. ChannelMachine.Big32(first), .. ChannelMachine.Big32(0x3_0000)];
        machine.Put(0xa000, list);
        machine.Put(ChannelMachine.ProgramAt, ChannelMachine.Word(0x22, Ida, 6, 0xa000));
        ChannelResult result = machine.Start(new(ChannelMachine.ProgramAt, true, isLong, isSmall));

        Assert.True(result.IsGood);
        Assert.Equal([1, 2, 3, 4], machine.Get(first, 4));
        Assert.Equal([5, 6], machine.Get(0x3_0000, 2));
    }

    [Fact]
    public void Program_InFormatZero_Runs()
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4] };
        using ChannelMachine machine = new(device, _host);
        machine.Put(0x9000, ChannelMachine.Big16(2, 0));
        machine.Put(
            ChannelMachine.ProgramAt,
            ChannelMachine.OldWord(0x83, Chain, 4, 0x9000),
            ChannelMachine.OldWord(0x22, 0, 4, 0xb000)
        );

        Assert.True(machine.Start(new(ChannelMachine.ProgramAt, IsFormat1: false)).IsGood);
        Assert.Equal([1, 2, 3, 4], machine.Get(0xb000, 4));
    }

    [Fact]
    public void Program_ThatIsNone_IsAProgramCheck()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);
        byte[] jumpToItself = ChannelMachine.Word(0x08, 0, 0, ChannelMachine.ProgramAt + 8);
        byte[] circle = ChannelMachine.Word(0x08, 0, 0, ChannelMachine.ProgramAt);
        byte[] nothing = ChannelMachine.Word(0x03, Chain, 0, 0);

        Assert.Equal(ChannelStatus.ProgramCheck, machine.RunWords(jumpToItself).Channel);
        Assert.Equal(ChannelStatus.ProgramCheck, machine.RunWords(nothing, jumpToItself).Channel);
        Assert.Equal(ChannelStatus.ProgramCheck, machine.RunWords(nothing, circle).Channel);
        Assert.Equal(ChannelStatus.ProgramCheck, machine.RunWords(ChannelMachine.Word(0x10, 0, 1, 0x9000)).Channel);
        Assert.Equal(ChannelStatus.ProgramCheck, machine.RunWords(ChannelMachine.Word(0x03, 2, 0, 0)).Channel);
        Assert.Equal(ChannelStatus.ProgramCheck, machine.RunWords(ChannelMachine.Word(0x03, ChainData, 0, 0)).Channel);
        Assert.Equal(
            ChannelStatus.ProgramCheck,
            machine.RunWords(ChannelMachine.Word(0x03, 0, 0, 0x8000_0000)).Channel
        );
        Assert.Equal(ChannelStatus.ProgramCheck, machine.RunWords(ChannelMachine.Word(0x03, Ida, 1, 0xa002)).Channel);
        Assert.Equal(
            ChannelStatus.ProgramCheck,
            machine.RunWords(ChannelMachine.Word(0x03, Ida, 1, 0x7fff_0000)).Channel
        );
        Assert.Equal(ChannelStatus.ProgramCheck, machine.Start(new(0x7fff_fff8)).Channel);
        Assert.Equal(ChannelStatus.ProgramCheck, machine.Start(new(ChannelMachine.ProgramAt + 4)).Channel);
        Assert.Equal(ChannelStatus.ProgramCheck, machine.Start(new(0xffff_fff8)).Channel);
    }

    [Fact]
    public void Data_OutsideMemory_IsAProtectionCheck()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);

        ChannelResult read = machine.RunWords(ChannelMachine.Word(0xe4, Sli, 7, 0x7000_0000));
        ChannelResult written = machine.RunWords(ChannelMachine.Word(0x83, 0, 4, 0x7000_0000));
        Assert.Equal((Good, ChannelStatus.ProtectionCheck), (read.Unit, read.Channel));
        Assert.Equal(ChannelStatus.ProtectionCheck, written.Channel);
    }

    [Fact]
    public void Config_InPartOrWhole_IsReadAndWritten()
    {
        using ProbeDevice device = new(8) { Config = [1, 2, 3, 4] };
        using ChannelMachine machine = new(device, _host);
        CcwDriver driver = new(machine, machine.Memory, 0x1000);
        byte[] part = new byte[2];
        driver.ReadConfig(1, part);
        Assert.Equal([2, 3], part);

        driver.WriteConfig(2, [9]);
        Assert.Equal([1, 2, 9, 4], device.Config);
        BinaryPrimitives.WriteUInt16BigEndian(part, 0x0102);
        Assert.True(machine.Run(0x21, part).IsGood);
        Assert.Equal([1, 2, 9, 4], device.Config);
    }

    [Fact]
    public void Driver_WithoutADevice_Complains()
    {
        using ProbeDevice device = new(8);
        using ChannelMachine machine = new(device, _host);

        Assert.Throws<DeviceException>(() => new CcwDriver(new NothingThere(), machine.Memory, 0x1000));
        Assert.Throws<DeviceException>(() => new CcwDriver(machine, machine.Memory, 0x7000_0000));
    }

    private sealed class NothingThere : ICcwAccess
    {
        public ChannelResult Start(ChannelRequest request) => new(0, Good, ChannelStatus.None, 0);

        public ulong Notify(ulong data, ulong cookie) => cookie;
    }
}
