using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Backends.Block.Raw;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Native;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>
/// Post-copy migration as the front-end of the target sees it: memory is shared before its pages have come, and they come when they are used.
/// </summary>
public sealed class PostcopyMessageTests : IDisposable
{
    private const int PageBytes = 4096;

    /// <summary>A page that no one touches before a test wants it to be missing.</summary>
    private const ulong LatePage = 0x20_0000;

    /// <summary>Rings, headers and status, which have come already.</summary>
    private const int EarlyBytes = 0x18_0000;

    private const ulong HeaderAt = 0x10_0000;
    private const ulong StatusAt = 0x10_1000;

    private readonly TemporaryFolder _folder = new();
    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);
    private readonly RawDisk _disk;
    private readonly HomeUnderTest _home;
    private readonly FrontEnd _frontEnd;
    private readonly GuestRam _ram = new();

    public PostcopyMessageTests()
    {
        File.WriteAllBytes(Image, new byte[1 << 20]);
        _disk = RawDisk.Open(Image, _loops);
        _home = new(new BlockDevice(_disk), _loops);
        _frontEnd = _home.Negotiate();
        _frontEnd.Accept();
        _ram.Bytes[..EarlyBytes].Clear();
    }

    private string Image => _folder["disk.raw"];

    public void Dispose()
    {
        _frontEnd.Dispose();
        _home.Dispose();
        _disk.Dispose();
        _loops.Dispose();
        _ram.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Feature_IsOffered() =>
        Assert.NotEqual(0ul, _frontEnd.ProtocolFeatures >> ProtocolFeature.PageFault & 1);

    [Fact]
    public void Advise_GivesADescriptor_AndListenIsAnswered()
    {
        using SafeFileHandle userfault = Advise();

        Assert.False(userfault.IsInvalid);
        Assert.Equal(0ul, _frontEnd.SendAcknowledged(FrontEndRequest.PostcopyListen, []));
    }

    [Fact]
    public void Listen_NotAdvised_EndsTheConnection()
    {
        _frontEnd.Send(FrontEndRequest.PostcopyListen);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("was not announced by POSTCOPY_ADVISE");
    }

    [Fact]
    public void Listen_MemoryIsThere_IsRefused()
    {
        _ram.Share(_frontEnd);
        using SafeFileHandle userfault = Advise();

        Assert.Equal(1ul, _frontEnd.SendAcknowledged(FrontEndRequest.PostcopyListen, []));
    }

    [Fact]
    public void End_NeverBegun_IsAnswered()
    {
        Assert.Equal(0ul, _frontEnd.Ask(FrontEndRequest.PostcopyEnd));
        _frontEnd.Settle();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Write_PageHasNotCome_WaitsForIt(bool isOneByOne)
    {
        using SafeFileHandle userfault = Listen();
        ulong here = ShareInPostcopy(isOneByOne);
        using TestRing ring = new(_ram, 0, 16, FeatureSet.Of(CoreFeature.Version1));
        ring.Configure(_frontEnd);
        ring.Start(_frontEnd);
        AddWrite(ring);

        // The front-end has not said yet that it knows the addresses.
        _frontEnd.Settle();
        Assert.False(SpinWait.SpinUntil(() => IsDone(ring), TimeSpan.FromMilliseconds(50)));
        SendWord(isOneByOne);
        Assert.False(SpinWait.SpinUntil(() => IsDone(ring), TimeSpan.FromMilliseconds(100)));

        SupplyLatePage(userfault, here);

        Assert.True(SpinWait.SpinUntil(() => IsDone(ring), FrontEnd.Patience));
        Assert.Equal((byte)BlockStatus.Ok, _ram.Bytes[(int)StatusAt]);
        byte[] written = File.ReadAllBytes(Image);
        Assert.All(written[..PageBytes], static value => Assert.Equal(5, value));
        Assert.Equal(0ul, _frontEnd.Ask(FrontEndRequest.PostcopyEnd));
        _frontEnd.Settle();
    }

    /// <summary>What managed code touches is waited for in a system call: the whole process would stand still in a collection otherwise.</summary>
    [Fact]
    public void Write_HeaderHasNotCome_CollectionsGoOn()
    {
        using SafeFileHandle userfault = Listen();
        ulong here = ShareInPostcopy(isOneByOne: false);
        SendWord(isOneByOne: false);
        using TestRing ring = new(_ram, 0, 16, FeatureSet.Of(CoreFeature.Version1));
        ring.Configure(_frontEnd);
        ring.Start(_frontEnd);
        _ram.Bytes.Slice((int)HeaderAt, PageBytes).Fill(7);
        Add(ring, headerAt: LatePage, dataAt: HeaderAt);

        Assert.True(SpinWait.SpinUntil(IsWaitingForPages, FrontEnd.Patience));
        GC.Collect();
        Assert.False(IsDone(ring));

        BlockRequestHeader header = new(BlockRequestType.Out, 0);
        Assert.True(_ram.Memory.TryWrite(GuestRam.At(LatePage), Wire.Bytes(ref header)));
        Wake(userfault, here);
        Assert.True(SpinWait.SpinUntil(() => IsDone(ring), FrontEnd.Patience));
        Assert.Equal((byte)BlockStatus.Ok, _ram.Bytes[(int)StatusAt]);
        Assert.Equal(7, File.ReadAllBytes(Image)[0]);
    }

    [Fact]
    public void FrontEnd_GoesBeforeTheHeaderCame_TheNextIsServed()
    {
        using (SafeFileHandle userfault = Listen())
        {
            ShareInPostcopy(isOneByOne: false);
            SendWord(isOneByOne: false);
            using TestRing ring = new(_ram, 0, 16, FeatureSet.Of(CoreFeature.Version1));
            ring.Configure(_frontEnd);
            ring.Start(_frontEnd);
            Add(ring, headerAt: LatePage, dataAt: HeaderAt);
            Assert.True(SpinWait.SpinUntil(IsWaitingForPages, FrontEnd.Patience));
        }

        _frontEnd.Dispose();
        _home.ExpectLog("has closed the connection");

        using FrontEnd next = _home.Negotiate();
        next.Settle();
        Assert.Equal(-1, File.ReadAllBytes(Image).AsSpan().IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Memory_AfterTheEnd_IsOrdinary()
    {
        using SafeFileHandle userfault = Listen();
        ShareInPostcopy(isOneByOne: false);
        SendWord(isOneByOne: false);
        Assert.Equal(0ul, _frontEnd.Ask(FrontEndRequest.PostcopyEnd));

        _ram.Share(_frontEnd);
        using TestRing ring = _ram.Start(_frontEnd);
        _ram.Bytes.Slice((int)LatePage, PageBytes).Fill(6);
        AddWrite(ring);

        Assert.True(SpinWait.SpinUntil(() => IsDone(ring), FrontEnd.Patience));
        Assert.Equal(6, File.ReadAllBytes(Image)[0]);
    }

    [Fact]
    public void FrontEnd_GoesBeforeThePageCame_NothingIsWritten_AndTheNextIsServed()
    {
        File.WriteAllBytes(Image, [.. Enumerable.Repeat((byte)1, 1 << 20)]);
        using (SafeFileHandle userfault = Listen())
        {
            ShareInPostcopy(isOneByOne: false);
            SendWord(isOneByOne: false);
            using TestRing ring = new(_ram, 0, 16, FeatureSet.Of(CoreFeature.Version1));
            ring.Configure(_frontEnd);
            ring.Start(_frontEnd);
            AddWrite(ring);
            Assert.False(SpinWait.SpinUntil(() => IsDone(ring), TimeSpan.FromMilliseconds(100)));
        }

        _frontEnd.Dispose();
        _home.ExpectLog("has closed the connection");

        using FrontEnd next = _home.Negotiate();
        next.Settle();
        Assert.Equal(-1, File.ReadAllBytes(Image).AsSpan().IndexOfAnyExcept((byte)1));
    }

    [Fact]
    public void Word_IsAnError_EndsTheConnection()
    {
        using SafeFileHandle userfault = Listen();
        ShareInPostcopy(isOneByOne: false);

        _frontEnd.Send(FrontEndRequest.SetMemoryTable, 22ul);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("cannot take faults in its memory: it says 22");
    }

    [Fact]
    public void AddRegion_ShortFormOutsidePostcopy_EndsTheConnection()
    {
        _frontEnd.Send(FrontEndRequest.AddMemoryRegion, 0ul);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("8 bytes and 0 descriptors came, where 40 bytes and 1 descriptors were expected");
    }

    private SafeFileHandle Advise()
    {
        _frontEnd.Send(FrontEndRequest.PostcopyAdvise);
        Assert.Empty(_frontEnd.Receive(FrontEndRequest.PostcopyAdvise));
        return Assert.Single(_frontEnd.AnswerDescriptors);
    }

    private SafeFileHandle Listen()
    {
        SafeFileHandle userfault = Advise();
        Assert.Equal(0ul, _frontEnd.SendAcknowledged(FrontEndRequest.PostcopyListen, []));
        return userfault;
    }

    /// <summary>Shares the memory and gives the address at which the home has it.</summary>
    private ulong ShareInPostcopy(bool isOneByOne)
    {
        MemoryRegionDescription given;
        if (isOneByOne)
        {
            SingleMemoryRegion single = new() { Region = _ram.Region };
            _frontEnd.Send(FrontEndRequest.AddMemoryRegion, single, _ram.File.Handle);
            given = Wire.Read<SingleMemoryRegion>(_frontEnd.Receive(FrontEndRequest.AddMemoryRegion)).Region;
        }
        else
        {
            _ram.Share(_frontEnd);
            byte[] answer = _frontEnd.Receive(FrontEndRequest.SetMemoryTable);
            Assert.Equal(GuestRam.Table(_ram.Region).Length, answer.Length);
            Assert.Equal(1u, Wire.Read<MemoryTableHeader>(answer).Count);
            given = Wire.Read<MemoryRegionDescription>(answer.AsSpan(Wire.SizeOf<MemoryTableHeader>()));
        }

        Assert.Equal(GuestRam.GuestBase, given.GuestAddress);
        Assert.Equal(_ram.Region.LengthBytes, given.LengthBytes);
        return given.UserAddress;
    }

    private void SendWord(bool isOneByOne)
    {
        _frontEnd.Send(isOneByOne ? FrontEndRequest.AddMemoryRegion : FrontEndRequest.SetMemoryTable, 0ul);
        _frontEnd.Settle();
    }

    private void AddWrite(TestRing ring)
    {
        BlockRequestHeader header = new(BlockRequestType.Out, 0);
        Assert.True(_ram.Memory.TryWrite(GuestRam.At(HeaderAt), Wire.Bytes(ref header)));
        Add(ring, HeaderAt, LatePage);
    }

    private void Add(TestRing ring, ulong headerAt, ulong dataAt)
    {
        _ram.Bytes[(int)StatusAt] = 0xff;
        GuestRange[] readable =
        [
            new(GuestRam.At(headerAt), (uint)Wire.SizeOf<BlockRequestHeader>()),
            new(GuestRam.At(dataAt), PageBytes),
        ];
        Assert.True(ring.Driver.TryAdd(readable, [new(GuestRam.At(StatusAt), 1)], tag: 0));
        ring.Driver.Publish();
        ring.Kick.Signal();
    }

    /// <summary>Whether a thread of this process is in madvise, where a collection does not need it.</summary>
    private static bool IsWaitingForPages()
    {
        string number = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? "28 " : "233 ";
        return Directory
            .GetDirectories("/proc/self/task")
            .Any(thread => SystemCallOf(thread).StartsWith(number, StringComparison.Ordinal));
    }

    private static string SystemCallOf(string thread)
    {
        try
        {
            return File.ReadAllText($"{thread}/syscall");
        }
        catch (IOException)
        {
            // It has ended meanwhile.
            return "";
        }
    }

    private static bool IsDone(TestRing ring) => ring.Driver.TryTake(out DriverCompletion _);

    /// <summary>The page comes into the memory that both share; then who waits for it is woken.</summary>
    private void SupplyLatePage(SafeFileHandle userfault, ulong here)
    {
        _ram.Bytes.Slice((int)LatePage, PageBytes).Fill(5);
        Wake(userfault, here);
    }

    private static unsafe void Wake(SafeFileHandle userfault, ulong here)
    {
        uffdio_range range = new() { start = here + LatePage, len = PageBytes };
        Assert.Equal(0, LibC.ioctl(userfault, LibC.UFFDIO_WAKE, &range));
    }
}
