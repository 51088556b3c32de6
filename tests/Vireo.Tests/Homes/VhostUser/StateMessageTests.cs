using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Files;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>The device's own state, saved and loaded through whatever descriptor the front-end gives.</summary>
public sealed class StateMessageTests : IDisposable
{
    private const ulong NoDescriptor = 0x100;

    private readonly SpecialDevice _device = new();
    private readonly HomeUnderTest _home;
    private readonly FrontEnd _frontEnd;

    public StateMessageTests()
    {
        _home = new(_device);
        _frontEnd = _home.Negotiate();
    }

    public void Dispose()
    {
        _frontEnd.Dispose();
        _home.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3_000_000)]
    public void Save_IntoAPipe_ComesWholeAndEnds(int length)
    {
        _device.State = Noise(length);
        using Pipe pipe = new();

        Assert.Equal(NoDescriptor, Begin(DeviceStateTransfer.Save, pipe.TakeWriter()));

        using var reader = DescriptorStream.Wrap(pipe.TakeReader());
        Assert.Equal(_device.State, ReadAll(reader));
        Assert.Equal(0ul, _frontEnd.Ask(FrontEndRequest.CheckDeviceState));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3_000_000)]
    public void Load_FromAPipe_IsTakenWhole(int length)
    {
        byte[] state = Noise(length);
        using Pipe pipe = new();
        using var writer = DescriptorStream.Wrap(pipe.TakeWriter());

        Assert.Equal(NoDescriptor, Begin(DeviceStateTransfer.Load, pipe.TakeReader()));
        WriteAll(writer, state);
        writer.Dispose();

        Assert.Equal(0ul, _frontEnd.Ask(FrontEndRequest.CheckDeviceState));
        Assert.Equal(state, _device.State);
    }

    [Fact]
    public void Check_BeforeTheEndOfTheState_IsAnsweredAfterIt()
    {
        using Pipe pipe = new();
        using var writer = DescriptorStream.Wrap(pipe.TakeWriter());
        Begin(DeviceStateTransfer.Load, pipe.TakeReader());

        _frontEnd.Send(FrontEndRequest.CheckDeviceState);
        _frontEnd.Settle();
        WriteAll(writer, [1, 2, 3]);
        writer.Dispose();

        Assert.Equal(0ul, Wire.Read<ulong>(_frontEnd.Receive(FrontEndRequest.CheckDeviceState)));
    }

    [Fact]
    public void SaveAndLoad_ThroughAFile_IsTheSame()
    {
        using TemporaryFolder folder = new();
        _device.State = Noise(100_000);
        byte[] before = _device.State;
        Begin(DeviceStateTransfer.Save, File.OpenHandle(folder["state"], FileMode.Create, FileAccess.Write));
        Assert.Equal(0ul, _frontEnd.Ask(FrontEndRequest.CheckDeviceState));

        _device.State = [];
        Begin(DeviceStateTransfer.Load, File.OpenHandle(folder["state"]));

        Assert.Equal(0ul, _frontEnd.Ask(FrontEndRequest.CheckDeviceState));
        Assert.Equal(before, _device.State);
    }

    [Fact]
    public void Load_StateThatIsNone_FailsTheCheck()
    {
        using Pipe pipe = new();
        using var writer = DescriptorStream.Wrap(pipe.TakeWriter());
        Begin(DeviceStateTransfer.Load, pipe.TakeReader());
        WriteAll(writer, [0xff]);
        writer.Dispose();

        Assert.NotEqual(0ul, _frontEnd.Ask(FrontEndRequest.CheckDeviceState));
        _home.ExpectLog("this is no state");
    }

    [Fact]
    public void Save_ReaderGoes_FailsTheCheck()
    {
        _device.State = Noise(1_000_000);
        using Pipe pipe = new();
        Begin(DeviceStateTransfer.Save, pipe.TakeWriter());
        pipe.TakeReader().Dispose();

        Assert.NotEqual(0ul, _frontEnd.Ask(FrontEndRequest.CheckDeviceState));
    }

    [Fact]
    public void Save_DeviceCannot_IsAnsweredWithAnError()
    {
        using Pipe pipe = new();

        Assert.Equal(NoDescriptor | 1, Begin(DeviceStateTransfer.Save, pipe.TakeWriter()));

        _home.ExpectLog("there is nothing to save");
    }

    [Fact]
    public void Save_WhileARingRuns_IsAnsweredWithAnError()
    {
        _device.State = [1];
        using GuestRam ram = new();
        _frontEnd.Accept();
        ram.Share(_frontEnd);
        using TestRing ring = ram.Start(_frontEnd);
        using Pipe pipe = new();

        Assert.Equal(NoDescriptor | 1, Begin(DeviceStateTransfer.Save, pipe.TakeWriter()));
    }

    [Fact]
    public void Save_InAnotherPhase_IsAnsweredWithAnError()
    {
        _device.State = [1];
        using Pipe pipe = new();

        Assert.Equal(NoDescriptor | 1, Begin(DeviceStateTransfer.Save, pipe.TakeWriter(), phase: 1));
    }

    [Fact]
    public void Begin_DescriptorThatCarriesNothing_IsAnsweredWithAnError()
    {
        _device.State = [1];

        Assert.Equal(NoDescriptor | 1, Begin(DeviceStateTransfer.Save, EventFd.Create().Handle));
    }

    [Fact]
    public void Begin_UnknownDirection_EndsTheConnection()
    {
        using var descriptor = EventFd.Create();

        _frontEnd.Send(
            FrontEndRequest.SetDeviceStateDescriptor,
            new DeviceStateTransfer { Direction = 2 },
            descriptor.Handle
        );

        _frontEnd.ExpectClosed();
    }

    [Fact]
    public void Check_WithoutATransfer_EndsTheConnection()
    {
        _frontEnd.Send(FrontEndRequest.CheckDeviceState);

        _frontEnd.ExpectClosed();
        _home.ExpectLog("no transfer of the device's state was begun");
    }

    [Fact]
    public void FrontEnd_GoneInTheMiddleOfATransfer_LeavesRoomForTheNext()
    {
        _device.State = Noise(1_000_000);
        using Pipe pipe = new();
        Begin(DeviceStateTransfer.Save, pipe.TakeWriter());

        _frontEnd.Dispose();

        _home.ExpectLog("has closed the connection");
        using FrontEnd next = _home.Negotiate();
        next.Settle();
    }

    private static byte[] Noise(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    private static byte[] ReadAll(DescriptorStream stream)
    {
        using MemoryStream all = new();
        byte[] piece = new byte[65536];
        int count = -1;
        while (count != 0)
        {
            Assert.True(SpinWait.SpinUntil(() => stream.TryRead(piece, out count), FrontEnd.Patience));
            all.Write(piece, 0, count);
        }

        return all.ToArray();
    }

    private static void WriteAll(DescriptorStream stream, byte[] bytes)
    {
        int done = 0;
        while (done < bytes.Length)
        {
            int count = 0;
            Assert.True(SpinWait.SpinUntil(() => stream.TryWrite(bytes.AsSpan(done), out count), FrontEnd.Patience));
            done += count;
        }
    }

    private ulong Begin(uint direction, SafeFileHandle descriptor, uint phase = DeviceStateTransfer.Stopped)
    {
        using (descriptor)
        {
            _frontEnd.Send(
                FrontEndRequest.SetDeviceStateDescriptor,
                new DeviceStateTransfer { Direction = direction, Phase = phase },
                descriptor
            );
        }

        return Wire.Read<ulong>(_frontEnd.Receive(FrontEndRequest.SetDeviceStateDescriptor));
    }
}
