using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Transports.Pci;
using Vireo.Linux.Events;
using Vireo.Linux.Sockets;

namespace Vireo.Benchmarks.Homes;

/// <summary>As much of a vfio-user client as a driver needs: memory, one interrupt, one kick, and accesses to the function.</summary>
/// <remarks>One command at a time; anything but its answer is an error.</remarks>
internal sealed class VfioUserClient : IPciAccess, IDisposable
{
    private const ushort Version = 1;
    private const ushort DmaMap = 2;
    private const ushort GetRegionIoFds = 6;
    private const ushort SetIrqs = 8;
    private const ushort RegionRead = 9;
    private const ushort RegionWrite = 10;

    private const uint ConfigRegion = 7;
    private const int HeaderBytes = 16;
    private const int AccessBytes = 16;

    private readonly UnixChannel _channel;
    private readonly byte[] _message = new byte[4096];
    private readonly SafeFileHandle?[] _received = new SafeFileHandle?[16];
    private ushort _id;
    private EventFd? _kick;

    public VfioUserClient(string path)
    {
        _channel = UnixChannel.Connect(path);
        byte[] capabilities = Encoding.UTF8.GetBytes("{\"capabilities\":{\"max_msg_fds\":16}}\0");
        Ask(Version, [0, 0, 0, 0, .. capabilities]);
    }

    /// <summary>Makes memory known to the server.</summary>
    public void Map(ulong address, ulong lengthBytes, SafeFileHandle file, ulong fileOffset)
    {
        const uint ReadWrite = 3;
        byte[] request = new byte[32];
        BinaryPrimitives.WriteUInt32LittleEndian(request, 32);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(4), ReadWrite);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(8), fileOffset);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(16), address);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(24), lengthBytes);
        Ask(DmaMap, request, file);
    }

    /// <summary>Has an MSI-X vector signalled.</summary>
    public void WireVector(uint vector, EventFd call)
    {
        const uint TriggerByDescriptor = 0x24;
        const uint MsixIndex = 2;
        byte[] request = new byte[20];
        BinaryPrimitives.WriteUInt32LittleEndian(request, 20);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(4), TriggerByDescriptor);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(8), MsixIndex);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(12), vector);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(16), 1);
        Ask(SetIrqs, request, call.Handle);
    }

    /// <summary>Asks for the descriptors behind the notification registers, and keeps that of the first queue.</summary>
    public void TakeKick()
    {
        byte[] request = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(request, (uint)_message.Length - HeaderBytes);
        Ask(GetRegionIoFds, request);
        _kick = EventFd.Wrap(_received[0] ?? throw new InvalidOperationException("the server gives no descriptor"));
        for (int index = 1; index < _received.Length; index++)
        {
            _received[index]?.Dispose();
        }
    }

    /// <summary>Kicks the first queue past the socket.</summary>
    public void Kick() => _kick!.Signal();

    public void ReadConfig(ulong offset, Span<byte> destination) => Read(ConfigRegion, offset, destination);

    public void WriteConfig(ulong offset, ReadOnlySpan<byte> source) => Write(ConfigRegion, offset, source);

    public void ReadBar(int bar, ulong offset, Span<byte> destination) => Read((uint)bar, offset, destination);

    public void WriteBar(int bar, ulong offset, ReadOnlySpan<byte> source) => Write((uint)bar, offset, source);

    public void Dispose()
    {
        _channel.Dispose();
        _kick?.Dispose();
    }

    private static void PutAccess(Span<byte> request, uint region, ulong offset, int count)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(request, offset);
        BinaryPrimitives.WriteUInt32LittleEndian(request[8..], region);
        BinaryPrimitives.WriteUInt32LittleEndian(request[12..], (uint)count);
    }

    private void Read(uint region, ulong offset, Span<byte> destination)
    {
        Span<byte> request = stackalloc byte[AccessBytes];
        PutAccess(request, region, offset, destination.Length);
        Ask(RegionRead, request)[AccessBytes..].CopyTo(destination);
    }

    private void Write(uint region, ulong offset, ReadOnlySpan<byte> source)
    {
        Span<byte> request = stackalloc byte[AccessBytes + 8];
        PutAccess(request, region, offset, source.Length);
        source.CopyTo(request[AccessBytes..]);
        Ask(RegionWrite, request[..(AccessBytes + source.Length)]);
    }

    /// <summary>Sends a command and waits for its answer.</summary>
    /// <returns>What follows the header; valid until the next command.</returns>
    private ReadOnlySpan<byte> Ask(ushort command, ReadOnlySpan<byte> payload, SafeFileHandle? descriptor = null)
    {
        _id = (ushort)((_id + 1) & 0x7fff);
        Span<byte> message = _message.AsSpan(0, HeaderBytes + payload.Length);
        message[..HeaderBytes].Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(message, _id);
        BinaryPrimitives.WriteUInt16LittleEndian(message[2..], command);
        BinaryPrimitives.WriteInt32LittleEndian(message[4..], message.Length);
        payload.CopyTo(message[HeaderBytes..]);
        if (descriptor is null)
        {
            _channel.Send(message);
        }
        else
        {
            _channel.Send(message, [descriptor]);
        }

        Receive(0, HeaderBytes);
        int length = BinaryPrimitives.ReadInt32LittleEndian(_message.AsSpan(4));
        uint error = BinaryPrimitives.ReadUInt32LittleEndian(_message.AsSpan(12));
        ushort id = BinaryPrimitives.ReadUInt16LittleEndian(_message);
        if (error != 0 || id != _id || length < HeaderBytes || length > _message.Length)
        {
            throw new InvalidOperationException($"command {command}: error {error}, {length} bytes for id {id}");
        }

        Receive(HeaderBytes, length - HeaderBytes);
        return _message.AsSpan(HeaderBytes, length - HeaderBytes);
    }

    private void Receive(int start, int length)
    {
        int end = start + length;
        while (start < end)
        {
            ReceiveOutcome outcome = _channel.TryReceive(
                _message.AsSpan(start, end - start),
                _received,
                out int count,
                out _
            );
            if (outcome == ReceiveOutcome.WouldBlock)
            {
                DescriptorWait.TryWait(_channel.Handle, LoopEvents.Readable, HomesBenchmark.Patience);
            }
            else if (outcome != ReceiveOutcome.Received)
            {
                throw new InvalidOperationException($"the connection to the server ended: {outcome}");
            }

            start += count;
        }
    }
}
