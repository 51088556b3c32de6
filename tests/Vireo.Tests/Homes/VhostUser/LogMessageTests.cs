using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>The dirty log: what the device writes while a guest is being moved.</summary>
public sealed class LogMessageTests : IDisposable
{
    private const ulong Page = 4096;
    private const int LogAll = 26;
    private const ulong UsedRingCountsAs = 0x1_0000_0000;

    private readonly HomeUnderTest _home = new(new ProbeDevice());
    private readonly FrontEnd _frontEnd;
    private readonly GuestRam _ram = new();
    private readonly MemoryFile _file = MemoryFile.Create("log", 4 << 20);
    private readonly MemoryMapping _log;

    public LogMessageTests()
    {
        _log = MemoryMapping.Map(_file.Handle, 0, (nuint)_file.Size, MappingAccess.ReadWrite);
        _frontEnd = _home.Negotiate();
    }

    public void Dispose()
    {
        _frontEnd.Dispose();
        _home.Dispose();
        _ram.Dispose();
        _log.Dispose();
        _file.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Ring_WhileLogging_RecordsBuffersAndRing(bool isPacked)
    {
        int[] features = isPacked ? [CoreFeature.RingPacked, LogAll] : [LogAll];
        SetLog();
        _frontEnd.Accept(features);
        _ram.Share(_frontEnd);
        using TestRing ring = NewRing(isPacked);
        ring.Configure(_frontEnd);
        SendLoggedAddress();
        ring.Start(_frontEnd);

        ring.Echo("logged");

        ulong buffer = (GuestRam.GuestBase + GuestRam.BuffersAt) / Page;
        Assert.True(SpinWait.SpinUntil(() => IsDirty(buffer), FrontEnd.Patience));
        ulong ringPage = isPacked ? GuestRam.GuestBase / Page : UsedRingCountsAs / Page;
        Assert.True(SpinWait.SpinUntil(() => IsDirty(ringPage), FrontEnd.Patience));
        Assert.False(IsDirty(buffer + 1));
    }

    [Fact]
    public void Ring_LogTurnedOnAndOffWhileItRuns_RecordsInBetween()
    {
        ulong buffer = (GuestRam.GuestBase + GuestRam.BuffersAt) / Page;
        _frontEnd.Accept();
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("before");
        SetLog();
        _frontEnd.Settle();
        Assert.False(IsDirty(buffer));

        _frontEnd.Accept(LogAll);
        SendLoggedAddress();
        _frontEnd.Settle();
        ring.Echo("while");
        Assert.True(SpinWait.SpinUntil(() => IsDirty(buffer), FrontEnd.Patience));
        Assert.True(SpinWait.SpinUntil(() => IsDirty(UsedRingCountsAs / Page), FrontEnd.Patience));

        _frontEnd.Accept();
        _frontEnd.Send(FrontEndRequest.SetRingAddress, GuestRam.Address(0));
        _frontEnd.Settle();
        Bytes().Clear();
        ring.Echo("after");
        _frontEnd.Settle();
        Assert.Equal(-1, Bytes().IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Log_ReplacedWhileTheRingRuns_GoesToTheNewOne()
    {
        using var firstFile = MemoryFile.Create("first log", 4 << 20);
        _frontEnd.Accept(LogAll);
        _ram.Share(_frontEnd);
        SendLog(new() { LengthBytes = 4 << 20 }, firstFile);
        using TestRing ring = _ram.Start(_frontEnd);
        ring.Echo("first");

        SetLog();
        ring.Echo("second");

        ulong buffer = (GuestRam.GuestBase + GuestRam.BuffersAt) / Page;
        Assert.True(SpinWait.SpinUntil(() => IsDirty(buffer), FrontEnd.Patience));
    }

    [Fact]
    public void Log_TooShortForTheMemory_RecordsWhatItCan()
    {
        SendLog(new() { LengthBytes = 4096 }, _file);
        _frontEnd.Accept(LogAll);
        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);

        ring.Echo("beyond the log");

        Assert.Equal(-1, Bytes().IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void LogEvent_Given_IsSignalledWhileLogging()
    {
        using var changed = EventFd.Create();
        SetLog();
        _frontEnd.Accept(LogAll);
        _ram.Share(_frontEnd);
        _frontEnd.SendBytes(FrontEndRequest.SetLogDescriptor, [], changed.Handle);
        _frontEnd.Settle();
        Assert.False(SpinWait.SpinUntil(changed.TryDrain, TimeSpan.FromMilliseconds(150)));

        using TestRing ring = _ram.Start(_frontEnd);

        Assert.True(SpinWait.SpinUntil(changed.TryDrain, FrontEnd.Patience));
    }

    [Fact]
    public void LogEvent_ThatIsAFile_EndsTheConnection()
    {
        _frontEnd.SendBytes(FrontEndRequest.SetLogDescriptor, [], _file.Handle);

        _frontEnd.ExpectClosed();
    }

    [Theory]
    [InlineData(0ul, 0ul)]
    [InlineData(4096ul, 3ul)]
    [InlineData(ulong.MaxValue, 0ul)]
    [InlineData(4096ul, 0x7fff_ffff_ffff_fff8ul)]
    [InlineData(8ul << 20, 0ul)]
    public void Log_EmptyUnalignedOrTooLong_EndsTheConnection(ulong length, ulong offset)
    {
        _frontEnd.Send(
            FrontEndRequest.SetLogBase,
            new LogDescription { LengthBytes = length, FileOffset = offset },
            _file.Handle
        );

        _frontEnd.ExpectClosed();
        _home.ExpectLog("SET_LOG_BASE: ");
    }

    private static TestRing NewRing(GuestRam ram, bool isPacked) =>
        new(ram, 0, 16, FeatureSet.Of(CoreFeature.Version1).WithIf(CoreFeature.RingPacked, isPacked));

    private TestRing NewRing(bool isPacked) => NewRing(_ram, isPacked);

    private void SetLog() => SendLog(new() { LengthBytes = (ulong)_file.Size }, _file);

    private void SendLog(LogDescription log, MemoryFile file)
    {
        _frontEnd.Send(FrontEndRequest.SetLogBase, log, file.Handle);
        Assert.Equal(0ul, Wire.Read<ulong>(_frontEnd.Receive(FrontEndRequest.SetLogBase)));
    }

    private void SendLoggedAddress()
    {
        VringAddress address = GuestRam.Address(0);
        address.Flags = VringAddress.LogUsed;
        address.LogGuestAddress = UsedRingCountsAs;
        _frontEnd.Send(FrontEndRequest.SetRingAddress, address);
    }

    private Span<byte> Bytes() => _log.GetSpan(0, (int)_log.Length);

    private bool IsDirty(ulong page) => (Bytes()[(int)(page / 8)] >> (int)(page % 8) & 1) != 0;
}
