using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>A front-end makes files shorter whose memory the device works with: it loses the device, and nobody else notices.</summary>
public sealed class MemoryCutTests : IDisposable
{
    private readonly HomeUnderTest _home = new(new ProbeDevice());
    private readonly FrontEnd _frontEnd;
    private readonly GuestRam _ram = new();

    public MemoryCutTests()
    {
        _frontEnd = _home.Negotiate();
        _frontEnd.Accept();
    }

    public void Dispose()
    {
        _frontEnd.Dispose();
        _home.Dispose();
        _ram.Dispose();
    }

    [Fact]
    public void Rings_AreGone_OnlyTheConnectionEnds()
    {
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("there");

        // Nothing here may touch the memory from now on.
        _ram.File.Resize(0);
        ring.Kick.Signal();

        AssertEndedAndNextIsServed();
    }

    [Fact]
    public void Buffers_AreGone_OnlyTheConnectionEnds()
    {
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("there");
        ring.Add("gone");

        _ram.File.Resize((long)GuestRam.BuffersAt);
        ring.Kick.Signal();

        AssertEndedAndNextIsServed();
    }

    [Fact]
    public void RecordOfRequestsInFlight_IsGone_OnlyTheConnectionEnds()
    {
        using var file = MemoryFile.Create("inflight", 64 << 10);
        _frontEnd.Send(
            FrontEndRequest.SetInflightDescriptor,
            new InflightDescription
            {
                LengthBytes = 64 << 10,
                QueueCount = 2,
                QueueSize = 16,
            },
            file.Handle
        );
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("recorded");

        file.Resize(0);
        ring.Add("not recorded");
        ring.Kick.Signal();

        AssertEndedAndNextIsServed();
    }

    [Fact]
    public void DirtyLog_IsGone_OnlyTheConnectionEnds()
    {
        const int LogAll = 26;
        using var file = MemoryFile.Create("log", 1 << 20);
        _frontEnd.Send(FrontEndRequest.SetLogBase, new LogDescription { LengthBytes = 1 << 20 }, file.Handle);
        _frontEnd.Receive(FrontEndRequest.SetLogBase);
        _frontEnd.Accept(LogAll);
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("logged");

        file.Resize(0);
        ring.Add("not logged");
        ring.Kick.Signal();

        AssertEndedAndNextIsServed();
    }

    private void AssertEndedAndNextIsServed()
    {
        _frontEnd.ExpectClosed();
        _home.ExpectLog("was made shorter under the device");
        using GuestRam ram = new();
        using FrontEnd next = _home.Negotiate();
        next.Accept();
        ram.Share(next);
        using TestRing ring = ram.Start(next);
        ring.Echo("the next one");
    }
}
