using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Memory;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes.VfioUser;

/// <summary>Each command: what it answers, and what it makes of what is wrong.</summary>
public sealed class VfioUserMessageTests
{
    [Fact]
    public void Version_FirstMessage_IsAnsweredWithASubset()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Connect();

        Assert.Equal(
            """{"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576,"max_dma_maps":16384,"pgsizes":4096,"write_multiple":true}}""",
            client.Agree(minor: 7)
        );
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("""{"capabilities":{"max_msg_fds":"many","max_data_xfer_size":-1,"write_multiple":7}}""")]
    public void Version_WithLessThanUsual_IsTaken(string capabilities)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Connect();
        string ours = client.Agree(capabilities);

        Assert.DoesNotContain("write_multiple", ours, StringComparison.Ordinal);
        client.Settle();
    }

    [Theory]
    [InlineData("{")]
    [InlineData("no json")]
    [InlineData("[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]")]
    public void Version_WithoutJson_EndsTheConnection(string capabilities)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Connect();
        client.Send(Command.Version, Client.Version(0, 0, capabilities));

        client.ExpectClosed();
    }

    [Fact]
    public void Version_OfAnotherMajor_EndsTheConnection()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Connect();
        client.Send(Command.Version, Client.Version(1, 0, ""));

        client.ExpectClosed();
        home.ExpectLog("version 1.0");
    }

    [Fact]
    public void Version_Twice_IsRefused()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();

        Assert.Equal(Errno.EINVAL, client.AskInVain(Command.Version, Client.Version(0, 0, "")));
    }

    [Fact]
    public void AnyCommand_BeforeTheVersion_EndsTheConnection()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Connect();
        client.Send(Command.DeviceGetInfo, Client.InfoRequest());

        client.ExpectClosed();
    }

    [Theory]
    [InlineData(0u, 0u)]
    [InlineData(15u, 0u)]
    [InlineData(0x200_0000u, 0u)]
    [InlineData(uint.MaxValue, 0u)]
    [InlineData(16u, 1u)]
    [InlineData(16u, 2u)]
    public void Header_ThatIsWrong_EndsTheConnection(uint sizeBytes, uint flags)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        client.SendRaw(Command.DeviceGetInfo, sizeBytes, (HeaderFlags)flags, []);

        client.ExpectClosed();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(14)]
    [InlineData(19)]
    [InlineData(0xffff)]
    public void Command_ThatIsNotKnown_IsRefused(int command)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();

        Assert.Equal(Errno.EOPNOTSUPP, client.AskInVain((Command)command, new byte[64]));
        client.Settle();
    }

    [Fact]
    public void DeviceInfo_IsThatOfAPciFunction()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        DeviceInfo info = client.Ask<DeviceInfo, DeviceInfo>(Command.DeviceGetInfo, new() { ArgumentBytes = 16 });

        Assert.Equal((16u, 3u, 9u, 5u), (info.ArgumentBytes, info.Flags, info.RegionCount, info.IrqCount));
        Assert.Equal(Errno.EINVAL, client.AskInVain(Command.DeviceGetInfo, new DeviceInfo { ArgumentBytes = 15 }));
        Assert.Equal(Errno.EINVAL, client.AskInVain(Command.DeviceGetInfo, new byte[15]));
    }

    [Fact]
    public void RegionInfo_OfEachRegion_SaysItsSize()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        ulong[] sizes =
        [
            .. Enumerable
                .Range(0, 9)
                .Select(index =>
                    client
                        .Ask<RegionInfo, RegionInfo>(
                            Command.DeviceGetRegionInfo,
                            new() { ArgumentBytes = 32, Index = (uint)index }
                        )
                        .LengthBytes
                ),
        ];

        Assert.Equal([0x4000ul, 0x2000ul, 0ul, 0ul, 0ul, 0ul, 0ul, 4096ul, 0ul], sizes);
        client.AskInVain(Command.DeviceGetRegionInfo, new RegionInfo { ArgumentBytes = 32, Index = 9 });
        client.AskInVain(Command.DeviceGetRegionInfo, new RegionInfo { ArgumentBytes = 31 });
    }

    [Fact]
    public void IrqInfo_OfEachType_SaysHowManyThereAre()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();

        Assert.Equal((7u, 1u), Irqs(client, 0));
        Assert.Equal((0u, 0u), Irqs(client, 1));
        Assert.Equal((9u, 3u), Irqs(client, 2));
        Assert.Equal(
            Errno.EINVAL,
            client.AskInVain(Command.DeviceGetIrqInfo, new IrqInfo { ArgumentBytes = 16, Index = 3 })
        );
    }

    [Theory]
    [InlineData(0u, 0x3ffful, 2u)]
    [InlineData(0u, ulong.MaxValue, 1u)]
    [InlineData(2u, 0ul, 1u)]
    [InlineData(7u, 4095ul, 2u)]
    [InlineData(9u, 0ul, 1u)]
    [InlineData(uint.MaxValue, 0ul, 1u)]
    [InlineData(7u, 0ul, uint.MaxValue)]
    public void RegionAccess_OutsideARegion_IsRefused(uint region, ulong offset, uint count)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();

        client.AskInVain(Command.RegionRead, Client.AccessRequest(region, offset, count));
        byte[] data = new byte[Math.Min(count, 64)];
        client.AskInVain(Command.RegionWrite, Client.AccessRequest(region, offset, count, data));
    }

    [Fact]
    public void RegionAccess_OfAnyLength_IsAnswered()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        byte[] space = new byte[4096];
        client.ReadConfig(0, space);
        Assert.Equal([0xf4, 0x1a, 0x43, 0x10], space[..4]);
        Assert.All(space[256..], static value => Assert.Equal(0, value));
        client.ReadBar(0, 0, new byte[0x4000]);
        client.WriteBar(0, 0, new byte[0x4000]);
        client.ReadBar(1, 0x2000, []);
        byte[] config = new byte[24];
        client.ReadBar(0, 0x2000, config);
        Assert.Equal(Enumerable.Range(0, 24).Select(static value => (byte)value), config);
    }

    [Fact]
    public void RegionWrite_DataOfAnotherLength_IsRefused()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();

        client.AskInVain(Command.RegionWrite, Client.AccessRequest(7, 0x3c, 2, 1));
        client.AskInVain(Command.RegionWrite, Client.AccessRequest(7, 0x3c, 1, 1, 2));
        client.AskInVain(Command.RegionWrite, new byte[15]);
    }

    [Fact]
    public void SeveralWrites_InOneMessage_AreAllDone()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        byte[] payload =
        [
            .. BitConverter.GetBytes(2ul),
            .. Client.AccessRequest(7, 0x3c, 1, 5, 0, 0, 0, 0, 0, 0, 0),
            .. Client.AccessRequest(0, 20, 1, 1, 0, 0, 0, 0, 0, 0, 0),
        ];

        Assert.Equal(2ul, BitConverter.ToUInt64(client.Ask(Command.RegionWriteMulti, payload)));
        byte[] line = new byte[1];
        client.ReadConfig(0x3c, line);
        Assert.Equal(5, line[0]);
        client.ReadBar(0, 20, line);
        Assert.Equal(1, line[0]);
    }

    [Fact]
    public void SeveralWrites_ThatDoNotAddUp_AreRefused()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        byte[] tooLong = Client.AccessRequest(7, 0x3c, 9, 0, 0, 0, 0, 0, 0, 0, 0);

        client.AskInVain(Command.RegionWriteMulti, []);
        client.AskInVain(Command.RegionWriteMulti, [.. BitConverter.GetBytes(2ul), .. tooLong]);
        client.AskInVain(Command.RegionWriteMulti, BitConverter.GetBytes(ulong.MaxValue));
        client.AskInVain(Command.RegionWriteMulti, [.. BitConverter.GetBytes(1ul), .. tooLong]);
        client.AskInVain(Command.RegionWriteMulti, BitConverter.GetBytes(0x0aaa_aaaa_aaaa_aaabul));
    }

    [Fact]
    public void Commands_InFlightTogether_AreAnsweredInOrder()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        ushort first = (ushort)(client.LastId + 1);
        for (int command = 0; command < 200; command++)
        {
            client.Send(Command.DeviceGetInfo, Client.InfoRequest());
        }

        for (int answer = 0; answer < 200; answer++)
        {
            client.Receive(Command.DeviceGetInfo);
            Assert.Equal(first + answer, client.LastAnswerId);
        }
    }

    [Fact]
    public void NoReply_WantedForACommand_BringsNone()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        client.Send(Command.RegionWrite, Client.AccessRequest(7, 0x3c, 1, 9), flags: HeaderFlags.NoReply);
        client.Send(Command.RegionWrite, new byte[3], flags: HeaderFlags.NoReply);
        byte[] line = new byte[1];
        client.ReadConfig(0x3c, line);

        Assert.Equal(9, line[0]);
    }

    [Fact]
    public void Map_OverlappingRanges_AreRefused()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using GuestRam ram = new();
        client.Map(0x10000, 0x4000, ram.File.Handle);
        client.Map(0x14000, 0x1000, ram.File.Handle);
        client.Map(0xf000, 0x1000, null);

        foreach (
            (ulong address, ulong length) in (List<(ulong, ulong)>)
                [(0x10000, 0x4000), (0x13fff, 1), (0, 0x100000), (0xf800, 0x10)]
        )
        {
            byte[] request = Client.MapRequest(address, length);
            Assert.Equal(Errno.EEXIST, client.AskInVain(Command.DmaMap, request, ram.File.Handle));
        }
    }

    [Theory]
    [InlineData(0x1000ul, 0ul, 0ul, 3u)]
    [InlineData(ulong.MaxValue, 2ul, 0ul, 3u)]
    [InlineData(0ul, ulong.MaxValue, 0ul, 3u)]
    [InlineData(0ul, 0x1000ul, ulong.MaxValue, 3u)]
    [InlineData(0ul, 0x1000ul, 0x7fff_ffff_ffff_f000ul, 3u)]
    [InlineData(0ul, 0x1000ul, 0x40_0000ul, 3u)]
    [InlineData(0ul, 0x1000ul, 0ul, 0u)]
    public void Map_RangeThatCannotBe_IsRefused(ulong address, ulong length, ulong fileOffset, uint flags)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using GuestRam ram = new();

        client.AskInVain(Command.DmaMap, Client.MapRequest(address, length, fileOffset, flags), ram.File.Handle);
        client.Map(0x1000, 0x1000, ram.File.Handle);
    }

    [Fact]
    public void Map_DescriptorsThatAreNoMemoryOrTooMany_AreRefused()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using GuestRam ram = new();
        using var notMemory = EventFd.Create();

        client.AskInVain(Command.DmaMap, Client.MapRequest(0, 0x1000), notMemory.Handle);
        client.AskInVain(Command.DmaMap, Client.MapRequest(0, 0x1000), ram.File.Handle, ram.File.Handle);
        client.AskInVain(Command.DmaMap, new byte[31], ram.File.Handle);
        client.AskInVain(Command.DeviceGetInfo, Client.InfoRequest(), ram.File.Handle);
        client.Map(0, 0x1000, ram.File.Handle);
    }

    [Fact]
    public void Map_SealedFileForReadingOnly_IsTaken()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using var file = MemoryFile.Create("rom", 0x1000);
        file.Seal(MemorySeals.Write);

        client.AskInVain(Command.DmaMap, Client.MapRequest(0, 0x1000), file.Handle);
        client.Map(0, 0x1000, file.Handle, flags: 1);
    }

    [Fact]
    public void Map_WithoutAFile_IsTakenAndSaidOnce()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        client.Map(0x1000, 0x1000, null, flags: 1);
        client.Map(0x10000, 0x1000, null);

        home.ExpectLog("0x10000 with 4096 bytes came without a file");
        Assert.False(home.Log.Holds("0x1000 with"));

        client.Map(0x20000, 0x1000, null);
        client.Map(0x30000, 0x1000, null);

        Assert.False(home.Log.Holds("0x20000 with"));
    }

    [Fact]
    public void Unmap_ExactlyWhatWasMapped_IsAnsweredWithIt()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using GuestRam ram = new();
        client.Map(0x10000, 0x4000, ram.File.Handle);

        Assert.Equal(Errno.ENOENT, client.AskInVain(Command.DmaUnmap, Client.UnmapRequest(0x10000, 0x3000)));
        Assert.Equal(Errno.ENOENT, client.AskInVain(Command.DmaUnmap, Client.UnmapRequest(0x11000, 0x3000)));
        byte[] request = Client.UnmapRequest(0x10000, 0x4000);
        Assert.Equal(request, client.Ask(Command.DmaUnmap, request));
        Assert.Equal(Errno.ENOENT, client.AskInVain(Command.DmaUnmap, request));
        client.Map(0x10000, 0x4000, ram.File.Handle);
    }

    [Fact]
    public void Vectors_TakenAwayAndDisabled_AnnounceNothing()
    {
        ProbeDevice device = new();
        using HomeUnderTest home = new(device);
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.Start();
        guest.Echo("wired");

        client.SetIrqs(2, 1, 1, 0x24);
        guest.Add("taken away");
        guest.Driver.Kick(0);
        Assert.Equal("taken away", guest.Take());
        client.Settle();
        Assert.False(guest.Interrupt.TryDrain());

        client.SetIrqs(2, 0, 0, 0x21);
        device.ChangeConfig();
        client.Settle();
        Assert.False(guest.ConfigInterrupt.TryDrain());
        guest.WireInterrupts();
        guest.Echo("wired again");
    }

    [Fact]
    public void Vectors_TriggeredByTheClient_Announce()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client);
        guest.WireInterrupts();
        client.SetIrqs(2, 0, 1, 0x21);
        Assert.True(guest.ConfigInterrupt.TryDrain());
        Assert.False(guest.Interrupt.TryDrain());

        client.Ask(Command.DeviceSetIrqs, Client.IrqRequest(2, 0, 2, 0x22, 0, 1));
        Assert.False(guest.ConfigInterrupt.TryDrain());
        Assert.True(guest.Interrupt.TryDrain());
    }

    [Fact]
    public void Line_UntilItIsUnmasked_AnnouncesOnce()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isMsix: false);
        guest.Start();
        guest.Add("one");
        guest.Driver.Kick(0);
        Assert.Equal("one", guest.Take());
        Assert.True(SpinWait.SpinUntil(guest.Interrupt.TryDrain, Client.Patience));
        guest.Add("two");
        guest.Driver.Kick(0);
        Assert.Equal("two", guest.Take());
        client.Settle();
        Assert.False(guest.Interrupt.TryDrain());

        // Unmasked while it is still asserted, it announces again; acknowledged, it does not.
        client.SetIrqs(0, 0, 1, 0x11);
        Assert.True(guest.Interrupt.TryDrain());
        Assert.Equal(1, guest.Driver.TakeInterruptStatus());
        client.SetIrqs(0, 0, 1, 0x11);
        Assert.False(guest.Interrupt.TryDrain());
    }

    [Fact]
    public void Line_UnmaskedByDescriptor_AnnouncesAgain()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isMsix: false);
        guest.Start();
        using var unmask = EventFd.Create();
        client.SetIrqs(0, 0, 1, 0x14, unmask);
        guest.Add("one");
        guest.Driver.Kick(0);
        Assert.Equal("one", guest.Take());
        Assert.True(SpinWait.SpinUntil(guest.Interrupt.TryDrain, Client.Patience));
        unmask.Signal();

        Assert.True(SpinWait.SpinUntil(guest.Interrupt.TryDrain, Client.Patience));
        client.SetIrqs(0, 0, 1, 0x14);
        client.SetIrqs(0, 0, 0, 0x21);
    }

    [Fact]
    public void Line_MaskedByTheClient_WaitsForTheUnmasking()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using Guest guest = new(client, isMsix: false);
        guest.Start();
        client.SetIrqs(0, 0, 1, 0x09);
        guest.Add("one");
        guest.Driver.Kick(0);
        Assert.Equal("one", guest.Take());
        client.Settle();
        Assert.False(guest.Interrupt.TryDrain());

        client.Ask(Command.DeviceSetIrqs, Client.IrqRequest(0, 0, 1, 0x12, 1));
        Assert.True(guest.Interrupt.TryDrain());
    }

    [Theory]
    [InlineData(0u, 0u, 2u, 0x24u)]
    [InlineData(2u, 3u, 1u, 0x24u)]
    [InlineData(2u, 0u, uint.MaxValue, 0x21u)]
    [InlineData(2u, uint.MaxValue, 1u, 0x21u)]
    [InlineData(1u, 0u, 1u, 0x24u)]
    [InlineData(3u, 0u, 0u, 0x21u)]
    [InlineData(2u, 0u, 1u, 0u)]
    [InlineData(2u, 0u, 1u, 0x3fu)]
    [InlineData(2u, 0u, 1u, 0x61u)]
    [InlineData(2u, 0u, 1u, 0x04u)]
    [InlineData(2u, 0u, 1u, 0x09u)]
    [InlineData(2u, 0u, 1u, 0x14u)]
    [InlineData(0u, 0u, 1u, 0x0cu)]
    [InlineData(2u, 0u, 2u, 0x22u)]
    public void SetIrqs_ThatCannotBe_IsRefused(uint index, uint start, uint count, uint flags)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();

        client.AskInVain(Command.DeviceSetIrqs, Client.IrqRequest(index, start, count, flags));
    }

    [Fact]
    public void SetIrqs_DescriptorsThatDoNotFit_AreRefused()
    {
        using HomeUnderTest home = new(new ProbeDevice());
        using Client client = home.Agree();
        using var descriptor = EventFd.Create();
        using GuestRam ram = new();

        client.AskInVain(Command.DeviceSetIrqs, Client.IrqRequest(2, 0, 2, 0x24), descriptor.Handle);
        client.AskInVain(Command.DeviceSetIrqs, Client.IrqRequest(2, 0, 1, 0x21), descriptor.Handle);
        client.AskInVain(Command.DeviceSetIrqs, Client.IrqRequest(2, 0, 1, 0x24), ram.File.Handle);
        client.AskInVain(Command.DeviceSetIrqs, new byte[19]);
    }

    private static (uint Flags, uint Count) Irqs(Client client, uint index)
    {
        IrqInfo info = client.Ask<IrqInfo, IrqInfo>(
            Command.DeviceGetIrqInfo,
            new() { ArgumentBytes = 16, Index = index }
        );
        Assert.Equal((16u, index), (info.ArgumentBytes, info.Index));
        return (info.Flags, info.Count);
    }
}
