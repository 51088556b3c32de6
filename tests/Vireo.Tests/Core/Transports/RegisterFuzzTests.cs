using Vireo.Core.Spec;
using Vireo.Core.Transports.Ccw;
using Vireo.Core.Transports.Mmio;
using Vireo.Core.Transports.Pci;

namespace Vireo.Tests.Core.Transports;

/// <summary>Any offset, any width, any order: nothing throws, and a driver that comes afterwards finds a device in order.</summary>
/// <remarks>Seeded; the seed is in the message of a failure. Set VIREO_SEED to repeat one.</remarks>
public sealed class RegisterFuzzTests
{
    private const int Accesses = 5_000_000;

    private const int Programs = 500_000;

    private static readonly int[] Commands =
    [
        0x03,
        0x04,
        0x08,
        0x11,
        0x12,
        0x13,
        0x21,
        0x22,
        0x31,
        0x32,
        0x33,
        0x43,
        0x53,
        0x72,
        0x73,
        0x83,
        0xe4,
    ];

    private static readonly int[] Counts = [0, 1, 4, 5, 7, 8, 13, 25, 32, 64];

    private static readonly int[] Widths = [1, 2, 4, 4, 4, 8, 3, 16, 64, 0];

    [Fact]
    public void Pci_AnyAccesses_LeaveAWorkingFunction()
    {
        int seed = Seed();
        Random random = new(seed);
        ProbeHost host = new();
        using ProbeDevice device = NewDevice();
        PciFunction function = new(
            device,
            host,
            new() { Features = PciFunctionOptions.TransportFeatures | CoreFeature.Rings }
        );
        function.Attach(NoMemory.Create());
        byte[] buffer = new byte[64];
        for (int access = 0; access < Accesses; access++)
        {
            try
            {
                AccessPci(function, random, buffer);
                Disturb(device, random);
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {seed}, access {access}: {exception}");
            }

            Forget(device, host, access);
        }

        function.Reset();
        Pci.FunctionAccess reach = new(function);
        PciDriver driver = new(reach);
        driver.EnableFunction(useMsix: false);
        CheckUsable(driver, device, seed);
    }

    [Fact]
    public void Mmio_AnyAccesses_LeaveAWorkingDevice()
    {
        int seed = Seed();
        Random random = new(seed);
        ProbeHost host = new();
        using ProbeDevice device = NewDevice();
        MmioRegisters registers = new(
            device,
            host,
            new() { Features = MmioOptions.TransportFeatures | CoreFeature.Rings }
        );
        registers.Attach(NoMemory.Create());
        byte[] buffer = new byte[64];
        for (int access = 0; access < Accesses; access++)
        {
            try
            {
                AccessMmio(registers, random, buffer);
                Disturb(device, random);
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {seed}, access {access}: {exception}");
            }

            Forget(device, host, access);
        }

        CheckUsable(new MmioDriver(new Mmio.RegistersAccess(registers)), device, seed);
    }

    [Fact]
    [Clause("ccw.dev.001")]
    public void Ccw_AnyPrograms_LeaveAWorkingDevice()
    {
        int seed = Seed();
        Random random = new(seed);
        ProbeHost host = new();
        using ProbeDevice device = NewDevice();
        using Ccw.ChannelMachine machine = new(
            device,
            host,
            new() { Features = CcwOptions.TransportFeatures | CoreFeature.Rings }
        );
        byte[] area = new byte[256];
        for (int program = 0; program < Programs; program++)
        {
            try
            {
                random.NextBytes(area);
                PutProgram(machine, random, area);
                machine.Start(
                    new(Ccw.ChannelMachine.ProgramAt, random.Next(4) > 0, random.Next(2) == 0, random.Next(2) == 0)
                );
                machine.Device.Notify((ulong)random.Next(0xfffe, 0x10002), (ulong)random.Next(), 0);
                if (random.Next(5000) == 0)
                {
                    machine.Device.ResetSubchannel();
                }

                Disturb(device, random);
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {seed}, program {program}: {exception}");
            }

            Forget(device, host, program);
        }

        machine.Device.ResetSubchannel();
        CheckUsable(new CcwDriver(machine, machine.Memory, 0x1000), device, seed);
    }

    /// <summary>Up to four words that are right more often than not, and data they may use.</summary>
    private static void PutProgram(Ccw.ChannelMachine machine, Random random, byte[] area)
    {
        machine.Put(Ccw.ChannelMachine.DataAt, area);
        machine.Put(Ccw.ChannelMachine.DataAt, Ccw.ChannelMachine.Big16((ushort)random.Next(4), 0));
        for (uint word = 0; word < 4; word++)
        {
            int command = random.Next(12) == 0 ? random.Next(256) : Commands[random.Next(Commands.Length)];
            int flags = random.Next(8) == 0 ? random.Next(256) : random.Next(4) << 5;
            int count = random.Next(8) == 0 ? random.Next(0x10000) : Counts[random.Next(Counts.Length)];
            uint address =
                random.Next(16) == 0 ? (uint)random.Next() : Ccw.ChannelMachine.DataAt + (uint)random.Next(8) * 8;
            machine.Put(
                Ccw.ChannelMachine.ProgramAt + word * 8,
                Ccw.ChannelMachine.Word(command, flags, count, address)
            );
        }
    }

    private static void AccessPci(PciFunction function, Random random, byte[] buffer)
    {
        Span<byte> bytes = buffer.AsSpan(0, Widths[random.Next(Widths.Length)]);
        Fill(bytes, random);
        ulong offset = random.Next(16) switch
        {
            < 6 => (ulong)random.Next(64),
            < 9 => (ulong)random.Next(256),
            9 => (ulong)random.Next(0x1000, 0x1010),
            10 => (ulong)random.Next(0x2000, 0x2020),
            11 => (ulong)random.Next(0x3000, 0x3040),
            12 or 13 => (ulong)random.Next(0x8000),
            14 => unchecked((ulong)random.NextInt64(long.MinValue, long.MaxValue)),
            _ => ulong.MaxValue - (ulong)random.Next(16),
        };
        int bar = random.Next(8) switch
        {
            < 5 => 0,
            5 => 1,
            6 => 4,
            _ => random.Next(-2, 9),
        };
        switch (random.Next(5))
        {
            case 0:
                function.ReadConfig(offset, bytes);
                break;
            case 1:
                function.WriteConfig(offset, bytes);
                break;
            case 2:
                function.ReadBar(bar, offset, bytes);
                break;
            default:
                function.WriteBar(bar, offset, bytes);
                break;
        }
    }

    private static void AccessMmio(MmioRegisters registers, Random random, byte[] buffer)
    {
        Span<byte> bytes = buffer.AsSpan(0, Widths[random.Next(Widths.Length)]);
        Fill(bytes, random);
        ulong offset = random.Next(8) switch
        {
            < 5 => (ulong)random.Next(0x40) * 4,
            5 or 6 => (ulong)random.Next(0x140),
            _ => unchecked((ulong)random.NextInt64(long.MinValue, long.MaxValue)),
        };
        if (random.Next(4) == 0)
        {
            registers.Read(offset, bytes);
        }
        else
        {
            registers.Write(offset, bytes);
        }
    }

    /// <summary>Values that mean something more often than random bytes do.</summary>
    private static void Fill(Span<byte> bytes, Random random)
    {
        bytes.Clear();
        switch (random.Next(4))
        {
            case 0:
                random.NextBytes(bytes);
                break;
            case 1 when bytes.Length > 0:
                bytes[0] = (byte)(1 << random.Next(8));
                break;
            case 2 when bytes.Length > 0:
                bytes[0] = (byte)(random.Next(2) == 0 ? 0x0f : random.Next(8));
                break;
            default:
                break;
        }
    }

    /// <summary>What the device does of its own.</summary>
    private static void Disturb(ProbeDevice device, Random random)
    {
        switch (random.Next(64))
        {
            case 0:
                device.Host.NotifyConfigChanged();
                break;
            case 1:
                device.Host.ReportFault(0, Vireo.Core.Queues.QueueFault.IndexJump);
                break;
            case 2 when device.Started.Count > 0:
                device.Started[^1].Call!.Notify();
                break;
            case 3:
                device.StartRefusal = random.Next(2) == 0 ? "no" : null;
                break;
            case 4:
                device.StateAtStop = random.Next(2) == 0 ? null : new(1, 1);
                break;
            case 5:
                device.Config[3] = (byte)random.Next(256);
                break;
            default:
                break;
        }
    }

    /// <summary>The fakes remember everything; not for millions of accesses.</summary>
    private static void Forget(ProbeDevice device, ProbeHost host, int access)
    {
        if (access % 1024 == 0)
        {
            device.Stopped.Clear();
            device.ConfigWrites.Clear();
            host.Vectors.Clear();
            host.ResetReasons.Clear();
            if (host.Levels.Count > 1)
            {
                host.Levels.RemoveRange(0, host.Levels.Count - 1);
            }

            if (device.Started.Count > 1)
            {
                device.Started.RemoveRange(0, device.Started.Count - 1);
            }
        }
    }

    private static void CheckUsable(Vireo.Core.Transports.TransportDriver driver, ProbeDevice device, int seed)
    {
        device.StartRefusal = null;
        driver.Negotiate(FeatureSet.Of(70));
        driver.EnableQueue(1, new(16, new(0x1000), new(0x2000), new(0x3000)));
        driver.Start();
        Assert.True(device.Running.SetEquals([1]), $"seed {seed}");
        Assert.Equal(
            DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk | DeviceStatus.DriverOk,
            driver.Status
        );
    }

    private static ProbeDevice NewDevice() =>
        new(8, 16, 1024)
        {
            Features = FeatureSet.Of(0, 5, 70),
            Config = new byte[13],
            Regions = [new(1, 0x1_0000)],
        };

    private static int Seed() =>
        int.TryParse(Environment.GetEnvironmentVariable("VIREO_SEED"), out int seed) ? seed : Random.Shared.Next();
}
