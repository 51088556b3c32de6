using System.Text;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Core.Transports.Pci;
using Vireo.Linux.Events;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes.VfioUser;

/// <summary>A guest in small: memory shared with the home, our PCI driver, one ring, and its interrupt.</summary>
internal sealed class Guest : IDisposable
{
    private const ushort Size = 16;

    private Client _client;
    private readonly bool _isMsix;
    private readonly bool _isDistant;
    private DriverQueue _queue = null!;
    private ulong _tag;
    private Action? _kick;

    public Guest(Client client, bool isMsix = true, bool isDistant = false, bool isShortCount = false)
    {
        _client = client;
        _isMsix = isMsix;
        _isDistant = isDistant;
        Distant = new(Ram, isShortCount);
        client.Distant = isDistant ? Distant : null;
    }

    /// <summary>What answers the home when memory is not shared.</summary>
    public DistantRam Distant { get; }

    public GuestRam Ram { get; } = new();

    public PciDriver Driver { get; private set; } = null!;

    public EventFd Interrupt { get; } = EventFd.Create();

    public EventFd ConfigInterrupt { get; } = EventFd.Create();

    /// <summary>Makes the memory known, wires the interrupts, and starts queue 0.</summary>
    public void Start(FeatureSet wanted = default)
    {
        ShareMemory();
        WireInterrupts();
        StartDriver(wanted);
    }

    /// <summary>Starts queue 0.</summary>
    public void StartDriver(FeatureSet wanted = default)
    {
        Driver = new(_client);
        Driver.EnableFunction(_isMsix);
        FeatureSet features = Driver.Negotiate(wanted.With(CoreFeature.AccessPlatform));
        QueueAreas areas = GuestRam.Areas(0, Size);
        _queue = DriverQueue.Create(areas, Ram.Memory, features);
        if (_isMsix)
        {
            Assert.True(Driver.TryMapConfig(0));
            Assert.True(Driver.TryMapQueue(0, 1));
        }

        Driver.EnableQueue(0, areas);
        Driver.Start();
    }

    /// <summary>Another server has the device now: kicks and acknowledgements go there. The driver itself notices nothing.</summary>
    public void DriveThrough(Client client)
    {
        _client = client;
        client.Distant = _isDistant ? Distant : null;
        byte[] token = [0, 0];
        _kick = () => client.WriteBar(0, 0x3000, token);
    }

    public void ShareMemory() =>
        _client.Map(GuestRam.GuestBase, (ulong)Ram.File.Size, _isDistant ? null : Ram.File.Handle);

    public void WireInterrupts()
    {
        if (_isMsix)
        {
            _client.SetIrqs(2, 0, 2, 0x24, ConfigInterrupt, Interrupt);
            // Wiring announces once, in case something was announced to nobody.
            Assert.True(Interrupt.TryDrain());
            Assert.True(ConfigInterrupt.TryDrain());
        }
        else
        {
            _client.SetIrqs(0, 0, 1, 0x24, Interrupt);
        }
    }

    /// <summary>Makes a request available.</summary>
    public void Add(string text)
    {
        ulong slot = GuestRam.BuffersAt + _tag % 64 * 512;
        _tag++;
        Assert.True(Ram.Memory.TryWrite(GuestRam.At(slot), Encoding.UTF8.GetBytes(text)));
        Assert.True(_queue.TryArmCalls());
        Assert.True(
            _queue.TryAdd([new(GuestRam.At(slot), (uint)text.Length)], [new(GuestRam.At(slot + 256), 256)], slot)
        );
        _queue.Publish();
    }

    /// <summary>Takes an answer back, waiting for it.</summary>
    public string Take()
    {
        DriverCompletion completion = default;
        WaitUntil(() => _queue.TryTake(out completion), "no answer");
        byte[] bytes = new byte[completion.WrittenBytes];
        Assert.True(Ram.Memory.TryRead(GuestRam.At(completion.Tag + 256), bytes));
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Takes answers back as a driver does that sleeps until it is interrupted.</summary>
    public void TakeAsleep(int count)
    {
        while (count > 0)
        {
            ExpectInterrupt();
            do
            {
                while (_queue.TryTake(out _))
                {
                    count--;
                }
            } while (!_queue.TryArmCalls());
        }
    }

    /// <summary>Sends a request, expects the same text back and an interrupt for it.</summary>
    public void Echo(string text, Action? kick = null)
    {
        Add(text);
        (kick ?? _kick ?? (() => Driver.Kick(0)))();
        Assert.Equal(text, Take());
        ExpectInterrupt();
    }

    public void ExpectInterrupt()
    {
        WaitUntil(Interrupt.TryDrain, "no interrupt");
        if (!_isMsix)
        {
            Assert.Equal(1, Driver.TakeInterruptStatus());
            _client.SetIrqs(0, 0, 1, 0x11);
        }
    }

    private void WaitUntil(Func<bool> condition, string complaint)
    {
        if (_isDistant)
        {
            _client.PumpUntil(condition, complaint);
        }
        else
        {
            Assert.True(SpinWait.SpinUntil(condition, Client.Patience), complaint);
        }
    }

    public void Dispose()
    {
        Interrupt.Dispose();
        ConfigInterrupt.Dispose();
        Ram.Dispose();
    }
}
