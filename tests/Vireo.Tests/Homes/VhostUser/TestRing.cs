using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>A ring in shared memory that a test drives: our driver role on the other side of the socket.</summary>
internal sealed class TestRing : IDisposable
{
    /// <summary>A packed ring begins with both wrap counters set.</summary>
    private const uint FirstOfPacked = 0x8000_8000;

    private readonly GuestRam _ram;
    private readonly uint _first;
    private ulong _lastTag;

    public TestRing(GuestRam ram, int index, ushort size, FeatureSet features)
    {
        _ram = ram;
        Index = (uint)index;
        Size = size;
        _first = features.Contains(CoreFeature.RingPacked) ? FirstOfPacked : 0;
        Driver = DriverQueue.Create(GuestRam.Areas(index, size), ram.Memory, features);
    }

    public uint Index { get; }

    public ushort Size { get; }

    public DriverQueue Driver { get; }

    public EventFd Kick { get; } = EventFd.Create();

    public EventFd Call { get; } = EventFd.Create();

    public EventFd Error { get; } = EventFd.Create();

    /// <summary>Says where the ring is, without starting it.</summary>
    public void Configure(FrontEnd frontEnd, uint? position = null)
    {
        frontEnd.Send(FrontEndRequest.SetRingSize, new VringState { Index = Index, Number = Size });
        frontEnd.Send(FrontEndRequest.SetRingBase, new VringState { Index = Index, Number = position ?? _first });
        frontEnd.Send(FrontEndRequest.SetRingAddress, GuestRam.Address((int)Index));
        frontEnd.Send(FrontEndRequest.SetRingCall, (ulong)Index, Call.Handle);
        frontEnd.Send(FrontEndRequest.SetRingError, (ulong)Index, Error.Handle);
    }

    /// <summary>Starts and enables the ring.</summary>
    public void Start(FrontEnd frontEnd)
    {
        frontEnd.Send(FrontEndRequest.SetRingKick, (ulong)Index, Kick.Handle);
        Enable(frontEnd, 1);
    }

    public void Enable(FrontEnd frontEnd, uint value) =>
        frontEnd.Send(FrontEndRequest.SetRingEnable, new VringState { Index = Index, Number = value });

    /// <summary>Stops the ring and says where it stands.</summary>
    public uint Stop(FrontEnd frontEnd) =>
        frontEnd.Ask(FrontEndRequest.GetRingBase, new VringState { Index = Index }).Number;

    /// <summary>Adds a request that is to be copied from one place to another, without a kick.</summary>
    /// <param name="text">What is to be copied.</param>
    /// <param name="shift">What the driver's addresses are above the guest's, where something translates them.</param>
    public void Add(string text, ulong shift = 0)
    {
        ulong slot = GuestRam.BuffersAt + _lastTag % 64 * 512;
        _lastTag++;
        Assert.True(_ram.Memory.TryWrite(GuestRam.At(slot), System.Text.Encoding.UTF8.GetBytes(text)));
        GuestRange readable = new(GuestRam.At(slot) + shift, (uint)text.Length);
        GuestRange writable = new(GuestRam.At(slot + 256) + shift, 256);
        Assert.True(Driver.TryAdd([readable], [writable], tag: slot));
        LastWasKicked = Driver.Publish();
    }

    /// <summary>Whether the device asked for a kick for the last request.</summary>
    public bool LastWasKicked { get; private set; }

    /// <summary>Takes an answer back, waiting for it.</summary>
    public string Take()
    {
        DriverCompletion completion = default;
        Assert.True(
            SpinWait.SpinUntil(() => Driver.TryTake(out completion), FrontEnd.Patience),
            $"ring {Index} does not answer ({Driver.Fault})"
        );
        byte[] bytes = new byte[completion.WrittenBytes];
        Assert.True(_ram.Memory.TryRead(GuestRam.At(completion.Tag + 256), bytes));
        return System.Text.Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Sends a request with a kick and expects the same text back.</summary>
    public void Echo(string text)
    {
        Add(text);
        Kick.Signal();
        Assert.Equal(text, Take());
    }

    public void Dispose()
    {
        Kick.Dispose();
        Call.Dispose();
        Error.Dispose();
    }
}
