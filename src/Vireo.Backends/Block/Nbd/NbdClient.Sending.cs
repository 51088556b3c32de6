using System.Buffers.Binary;
using Vireo.Core.Memory;

namespace Vireo.Backends.Block.Nbd;

/// <content>The thread that sends.</content>
internal sealed partial class NbdClient
{
    private const int BatchMax = 64;
    private const int SendBufferBytes = 128 * 1024;

    /// <summary>Payload up to so many bytes is copied behind its request, so that many of them go in one call.</summary>
    private const int CopiedPayloadMax = 16 * 1024;

    private readonly NbdRequest[] _batch = new NbdRequest[BatchMax];
    private readonly byte[] _sendBuffer = new byte[SendBufferBytes];

    /// <summary>Bytes of the buffer that were not sent yet. The sender's own, as the two above.</summary>
    private int _buffered;

    /// <summary>The sender's thread.</summary>
    private void Send()
    {
        while (TryTakeBatch(out NbdWire? wire, out int count))
        {
            bool isSent = TrySend(wire, _batch.AsSpan(0, count));
            lock (_gate)
            {
                _isSending = false;
                if (!isSent)
                {
                    // The receiver does what is to be done.
                    wire.Break();
                }

                Monitor.PulseAll(_gate);
            }
        }

        SayGoodBye();
    }

    /// <summary>Waits for requests and a connection; meanwhile lets those fail that have waited too long.</summary>
    /// <returns>False when we are to end.</returns>
    private bool TryTakeBatch([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out NbdWire? wire, out int count)
    {
        while (true)
        {
            List<NbdRequest>? late = null;
            lock (_gate)
            {
                while (!_isDisposed && !(_wire is not null && _waiting.Count > 0 && _free.Count > 0))
                {
                    if (_wire is not null || _waiting.Count == 0)
                    {
                        Monitor.Wait(_gate);
                        continue;
                    }

                    TakeLate(late = []);
                    if (late.Count > 0)
                    {
                        break;
                    }

                    Monitor.Wait(_gate, FirstDelayMs);
                }

                (wire, count) = (_wire, 0);
                if (_isDisposed)
                {
                    return false;
                }

                if (wire is not null && late is not { Count: > 0 })
                {
                    count = TakeBatch();
                    return true;
                }
            }

            Fail(late ?? []);
        }
    }

    private int TakeBatch()
    {
        int count = 0;
        while (count < BatchMax && _free.Count > 0 && _waiting.TryDequeue(out NbdRequest? request))
        {
            int slot = _free.Pop();
            _turn = _turn == uint.MaxValue ? 1 : _turn + 1;
            request.Cookie = ((ulong)_turn << 32) | (uint)slot;
            request.Begin();
            _slots[slot] = request;
            _batch[count] = request;
            count++;
        }

        _isSending = true;
        return count;
    }

    private bool TrySend(NbdWire wire, ReadOnlySpan<NbdRequest> batch)
    {
        _buffered = 0;
        try
        {
            foreach (NbdRequest request in batch)
            {
                Send(wire, request);
            }

            SendBuffered(wire);
            return true;
        }
        catch (Exception exception) when (IsLoss(exception))
        {
            return false;
        }
    }

    private void Send(NbdWire wire, NbdRequest request)
    {
        bool hasPayload = request.Command == NbdCommand.Write;
        int copied = hasPayload && request.LengthBytes <= CopiedPayloadMax ? (int)request.LengthBytes : 0;
        if (_buffered + NbdProtocol.RequestBytes + copied > SendBufferBytes)
        {
            SendBuffered(wire);
        }

        Compose(_sendBuffer.AsSpan(_buffered), request);
        _buffered += NbdProtocol.RequestBytes;
        if (!hasPayload || copied > 0)
        {
            Copy(request, copied);
            request.IsSent = true;
            return;
        }

        SendBuffered(wire);
        foreach (Segment segment in request.Memory.AsSpan())
        {
            wire.Send(segment.Bytes);
        }

        lock (_gate)
        {
            request.IsSent = true;
            Monitor.PulseAll(_gate);
        }
    }

    private void Copy(NbdRequest request, int length)
    {
        if (length == 0)
        {
            return;
        }

        foreach (Segment segment in request.Memory.AsSpan())
        {
            segment.Bytes.CopyTo(_sendBuffer.AsSpan(_buffered));
            _buffered += segment.Length;
        }
    }

    private void SendBuffered(NbdWire wire)
    {
        if (_buffered > 0)
        {
            wire.Send(_sendBuffer.AsSpan(0, _buffered));
            _buffered = 0;
        }
    }

    private static void Compose(Span<byte> destination, NbdRequest request)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, NbdProtocol.RequestMagic);
        BinaryPrimitives.WriteUInt16BigEndian(destination[4..], request.Flags);
        BinaryPrimitives.WriteUInt16BigEndian(destination[6..], (ushort)request.Command);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], request.Cookie);
        BinaryPrimitives.WriteInt64BigEndian(destination[16..], request.OffsetBytes);
        BinaryPrimitives.WriteUInt32BigEndian(destination[24..], request.LengthBytes);
    }

    private void SayGoodBye()
    {
        NbdWire? wire;
        lock (_gate)
        {
            wire = _wire;
        }

        try
        {
            Span<byte> bytes = stackalloc byte[NbdProtocol.RequestBytes];
            bytes.Clear();
            BinaryPrimitives.WriteUInt32BigEndian(bytes, NbdProtocol.RequestMagic);
            BinaryPrimitives.WriteUInt16BigEndian(bytes[6..], (ushort)NbdCommand.Disconnect);
            wire?.SendLast(bytes);
        }
        catch (Exception exception) when (IsLoss(exception))
        {
            // Nobody is there to hear it.
        }
    }
}
