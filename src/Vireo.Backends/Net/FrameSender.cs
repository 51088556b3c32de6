using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Devices.Net;
using Vireo.Linux.Files;
using Vireo.Linux.Net;

namespace Vireo.Backends.Net;

/// <summary>Writes frames to a descriptor of the host: a queue of a tap, or an interface, from the driver's memory where they lie.</summary>
internal sealed class FrameSender : INetSender
{
    private const int VectorsAtStart = 64;
    private const int HeadOffset = 64;

    private readonly IFrameDescriptor _frames;
    private readonly NetPortCounters _counters;

    /// <summary>The header, and behind it what of a frame does not lie in a driver's memory.</summary>
    private readonly OwnedMemory _memory = new(HeadOffset + NetFrame.LengthMax);

    /// <summary>The pieces of a frame.</summary>
    private Segment[] _pieces = new Segment[VectorsAtStart];

    /// <summary>Room for the longest header there is, of which the first piece of a frame may be a part only.</summary>
    private readonly Segment _header;

    /// <summary>Makes a sender.</summary>
    public FrameSender(IFrameDescriptor frames, int headerBytes, NetPortCounters counters)
    {
        _frames = frames;
        _counters = counters;
        _header = _memory.Slice(0, HeadOffset);
        _pieces[0] = _memory.Slice(0, headerBytes);
    }

    /// <inheritdoc/>
    public bool HasRoom => true;

    /// <inheritdoc/>
    public void Send(in NetFrame frame)
    {
        Wire.Write(_header.Bytes, frame.Header);
        if (frame.Header.IsTunnel)
        {
            // The kernel looks at them only if the header says tunnel.
            frame.Tunnel.Write(_header.Bytes);
        }

        int count = 1;
        if (frame.Rest.Length > TapDevice.VectorsMax - 2)
        {
            // A frame in more pieces than one call takes: only a driver with bad intentions makes one.
            _pieces[count] = _memory.Slice(HeadOffset, frame.LengthBytes);
            frame.CopyTo(_pieces[count++].Bytes);
        }
        else
        {
            count = Collect(in frame);
        }

        if (_frames.Write(Wire.Reinterpret<Segment, IoVector>((ReadOnlySpan<Segment>)_pieces.AsSpan(0, count))) < 0)
        {
            _counters.AddSendDrop();
        }
    }

    /// <inheritdoc/>
    public void Flush() { }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    private int Collect(in NetFrame frame)
    {
        int count = 1;
        if (_pieces.Length < frame.Rest.Length + 2)
        {
            Array.Resize(ref _pieces, TapDevice.VectorsMax);
        }

        if (!frame.Head.IsEmpty)
        {
            _pieces[count] = _memory.Slice(HeadOffset, frame.Head.Length);
            frame.Head.CopyTo(_pieces[count++].Bytes);
        }

        frame.Rest.CopyTo(_pieces.AsSpan(count));
        return count + frame.Rest.Length;
    }
}
