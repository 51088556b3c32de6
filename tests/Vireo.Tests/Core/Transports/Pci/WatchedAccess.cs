using System.Buffers.Binary;
using Vireo.Core.Transports.Pci;

namespace Vireo.Tests.Core.Transports.Pci;

/// <summary>Reaches a function in this process, and fails when a driver breaks a rule of the specification on the way.</summary>
internal sealed class WatchedAccess(PciFunction function) : IPciAccess
{
    private const int Status = 20;
    private const int QueueSelect = 22;
    private const int QueueEnable = 28;
    private const int QueueReset = 58;
    private const ulong IsrAt = 0x1000;
    private const ulong ConfigAt = 0x2000;
    private const ulong NotifyAt = 0x3000;

    /// <summary>The fields of the common structure by offset: how wide an access has to be, and whether it may be written.</summary>
    private static readonly Dictionary<int, (int Width, bool IsWritable)> Fields = new()
    {
        [0] = (4, true),
        [4] = (4, false),
        [8] = (4, true),
        [12] = (4, true),
        [16] = (2, true),
        [18] = (2, false),
        [Status] = (1, true),
        [21] = (1, false),
        [QueueSelect] = (2, true),
        [24] = (2, true),
        [26] = (2, true),
        [QueueEnable] = (2, true),
        [30] = (2, false),
        [32] = (4, true),
        [36] = (4, true),
        [40] = (4, true),
        [44] = (4, true),
        [48] = (4, true),
        [52] = (4, true),
        [56] = (2, false),
        [QueueReset] = (2, true),
    };

    private readonly HashSet<int> _writtenSinceSelect = [];

    /// <summary>The only field that may be touched, because the driver waits for it; -1 when it waits for nothing.</summary>
    private int _awaited = -1;

    /// <summary>How often the device still says that it is not done.</summary>
    private int _delay;

    /// <summary>The configuration space the driver sees, where it is not the function's own.</summary>
    public byte[]? Space { get; init; }

    /// <summary>How often the device says that a reset is not done.</summary>
    public int ResetReads { get; init; }

    public List<(ulong Queue, int Width, uint Value)> Notifications { get; } = [];

    public int IsrReads { get; private set; }

    public void ReadConfig(ulong offset, Span<byte> destination)
    {
        if (Space is null)
        {
            function.ReadConfig(offset, destination);
        }
        else
        {
            Space.AsSpan((int)offset, destination.Length).CopyTo(destination);
        }
    }

    public void WriteConfig(ulong offset, ReadOnlySpan<byte> source)
    {
        FunctionAccess access = new(function);
        for (uint at = access.Config(0x34, 1); at != 0; at = access.Config(at + 1, 1))
        {
            bool isOurs = access.Config(at, 1) == 9 && offset >= at && offset < at + access.Config(at + 2, 1);
            Assert.False(isOurs, $"a virtio capability is written at 0x{offset:x}");
        }

        function.WriteConfig(offset, source);
    }

    public void ReadBar(int bar, ulong offset, Span<byte> destination)
    {
        Assert.Equal(0, bar);
        function.ReadBar(bar, offset, destination);
        if (offset < IsrAt)
        {
            CheckField((int)offset, destination.Length, isWrite: false);
            Delay((int)offset, destination);
        }
        else if (offset < ConfigAt)
        {
            Assert.Equal((IsrAt, 1), (offset, destination.Length));
            IsrReads++;
        }
        else
        {
            CheckConfig(offset, destination.Length);
        }
    }

    public void WriteBar(int bar, ulong offset, ReadOnlySpan<byte> source)
    {
        Assert.Equal(0, bar);
        if (offset >= NotifyAt)
        {
            uint value =
                source.Length == 2
                    ? BinaryPrimitives.ReadUInt16LittleEndian(source)
                    : BinaryPrimitives.ReadUInt32LittleEndian(source);
            Notifications.Add(((offset - NotifyAt) / 4, source.Length, value));
        }
        else if (offset >= ConfigAt)
        {
            CheckConfig(offset, source.Length);
        }
        else
        {
            CheckField((int)offset, source.Length, isWrite: true);
            CheckValue((int)offset, source);
        }

        function.WriteBar(bar, offset, source);
    }

    private static void CheckConfig(ulong offset, int width)
    {
        Assert.InRange(offset, ConfigAt, NotifyAt - 1);
        Assert.Contains(width, new[] { 1, 2, 4 });
        Assert.Equal(0ul, offset % (ulong)width);
    }

    private void CheckField(int offset, int width, bool isWrite)
    {
        Assert.True(
            Fields.TryGetValue(offset, out (int Width, bool IsWritable) field),
            $"there is no field at {offset}"
        );
        Assert.Equal(field.Width, width);
        Assert.True(field.IsWritable || !isWrite, $"the field at {offset} is written");
        bool isAllowed =
            _awaited < 0 || offset == _awaited && !isWrite || _awaited == QueueReset && offset == QueueSelect;
        Assert.True(isAllowed, $"the field at {offset} is touched before the one at {_awaited} is 0");
    }

    private void CheckValue(int offset, ReadOnlySpan<byte> source)
    {
        switch (offset)
        {
            case Status when source[0] == 0:
            case QueueReset:
                _awaited = offset;
                _delay = ResetReads;
                break;
            case QueueSelect:
                _writtenSinceSelect.Clear();
                break;
            case QueueEnable:
                Assert.Equal(1, BinaryPrimitives.ReadUInt16LittleEndian(source));
                Assert.Superset(new HashSet<int> { 24, 32, 36, 40, 44, 48, 52 }, _writtenSinceSelect);
                break;
            default:
                _writtenSinceSelect.Add(offset);
                break;
        }
    }

    private void Delay(int offset, Span<byte> value)
    {
        if (offset != _awaited)
        {
            return;
        }

        if (_delay > 0)
        {
            _delay--;
            value[0] = 1;
        }
        else
        {
            Assert.Equal(0, value[0]);
            _awaited = -1;
        }
    }
}
