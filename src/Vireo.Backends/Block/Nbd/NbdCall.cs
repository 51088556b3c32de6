using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux;

namespace Vireo.Backends.Block.Nbd;

/// <summary>A request whose caller waits for its end. Used by one thread at a time.</summary>
internal sealed class NbdCall : INbdOwner, IDisposable
{
    /// <summary>Bytes that go in one request.</summary>
    public const int BufferBytes = 1 << 20;

    private readonly ManualResetEventSlim _isDone = new();
    private readonly OwnedMemory _memory = new(BufferBytes);
    private readonly Segment[] _segments = GC.AllocateArray<Segment>(1, pinned: true);
    private readonly NbdRequest _request;
    private BlockResult _result;

    /// <summary>Makes a request.</summary>
    public NbdCall() => _request = new(this, tag: 0);

    /// <inheritdoc/>
    public bool IsStopping { get; set; }

    /// <summary>The answer to the last question about a range.</summary>
    public (long LengthBytes, uint Flags) Extent => _request.Extent;

    /// <summary>Memory for a read or a write.</summary>
    /// <param name="length">How much, at most <see cref="BufferBytes"/>.</param>
    public Span<byte> Bytes(int length) => _memory.Slice(0, length).Bytes;

    /// <summary>Makes a request and waits for its end.</summary>
    /// <exception cref="LinuxException">The server has no room (ENOSPC), failed, or is gone (EIO).</exception>
    /// <exception cref="NotSupportedException">The server does not do this.</exception>
    public void Run(NbdClient client, NbdAddress address, NbdCommand command, ushort flags, long offset, uint length)
    {
        if (command is NbdCommand.Read or NbdCommand.Write)
        {
            _segments[0] = _memory.Slice(0, (int)length);
            _request.Memory = _segments;
        }

        _request.Command = command;
        _request.Flags = flags;
        _request.OffsetBytes = offset;
        _request.LengthBytes = length;
        _isDone.Reset();
        client.Submit(_request);
        _isDone.Wait();
        switch (_result)
        {
            case BlockResult.Done:
                break;
            case BlockResult.NoSpace:
                throw new LinuxException(Errno.ENOSPC, command.ToString(), address.Text);
            case BlockResult.Unsupported:
                throw new NotSupportedException($"'{address.Text}' does not do {command}");
            default:
                throw new LinuxException(Errno.EIO, command.ToString(), address.Text);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _isDone.Dispose();
        _memory.Dispose();
    }

    /// <inheritdoc/>
    void INbdOwner.Complete(NbdRequest request, BlockResult result)
    {
        _result = result;
        _isDone.Set();
    }
}
