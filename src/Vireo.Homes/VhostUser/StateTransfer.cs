using Vireo.Core.Contract;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Files;

namespace Vireo.Homes.VhostUser;

/// <summary>The device's state on its way through a pipe, in either direction; done piece by piece, so that nothing waits.</summary>
internal sealed class StateTransfer : IDisposable, ILoopWatcher
{
    private const int PieceBytes = 64 * 1024;

    private readonly IStatefulDevice _device;
    private readonly DescriptorStream _stream;
    private readonly EventLoop _control;

    /// <summary>What is still to be written; null when the state is read.</summary>
    private readonly byte[]? _saved;

    /// <summary>What has been read so far.</summary>
    private readonly MemoryStream _loaded = new();

    private int _savedDone;
    private LoopWatch? _watch;

    /// <summary>Called when the transfer has ended, if somebody waits for that.</summary>
    private Action<bool>? _waiting;

    private StateTransfer(IStatefulDevice device, DescriptorStream stream, EventLoop control, byte[]? saved)
    {
        _device = device;
        _stream = stream;
        _control = control;
        _saved = saved;
    }

    /// <summary>Whether all went well; null until the transfer has ended.</summary>
    public bool? Outcome { get; private set; }

    /// <summary>Why it did not go well.</summary>
    public string Failure { get; private set; } = "";

    /// <summary>Begins to save the device's state.</summary>
    /// <param name="device">The device; no queue of it runs.</param>
    /// <param name="stream">Where the state goes; becomes the transfer's, and is closed at the end.</param>
    /// <param name="control">The home's loop.</param>
    /// <exception cref="DeviceException">The state cannot be saved.</exception>
    public static StateTransfer Save(IStatefulDevice device, DescriptorStream stream, EventLoop control)
    {
        StateTransfer transfer = new(device, stream, control, device.SaveState());
        transfer.Begin(LoopEvents.Writable);
        return transfer;
    }

    /// <summary>Begins to load the device's state.</summary>
    /// <param name="device">The device; no queue of it runs.</param>
    /// <param name="stream">Where the state comes from; becomes the transfer's, and is closed at the end.</param>
    /// <param name="control">The home's loop.</param>
    public static StateTransfer Load(IStatefulDevice device, DescriptorStream stream, EventLoop control)
    {
        StateTransfer transfer = new(device, stream, control, saved: null);
        transfer.Begin(LoopEvents.Readable);
        return transfer;
    }

    /// <summary>Waits for the end without blocking.</summary>
    /// <param name="done">Told whether all went well; now, if the transfer has ended already.</param>
    public void WhenEnded(Action<bool> done)
    {
        if (Outcome is { } outcome)
        {
            done(outcome);
        }
        else
        {
            _waiting = done;
        }
    }

    /// <summary>Ends the transfer, finished or not; nobody is told.</summary>
    public void Dispose()
    {
        _waiting = null;
        _watch?.Dispose();
        _stream.Dispose();
        _loaded.Dispose();
    }

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events) => Step();

    private void Begin(LoopEvents events)
    {
        if (_stream.CanBeWatched)
        {
            _watch = _control.Watch(_stream.Handle, events, this);
            return;
        }

        // A file is always ready; only its length bounds the loop.
        while (Outcome is null)
        {
            Step();
        }
    }

    private void Step()
    {
        try
        {
            bool isDone = _saved is null ? ReadPiece() : WritePiece(_saved);
            if (isDone)
            {
                End(isGood: true, "");
            }
        }
        catch (Exception exception) when (exception is LinuxException or DeviceException)
        {
            End(isGood: false, exception.Message);
        }
    }

    private bool WritePiece(byte[] state)
    {
        int bytes = Math.Min(state.Length - _savedDone, PieceBytes);
        if (bytes > 0 && _stream.TryWrite(state.AsSpan(_savedDone, bytes), out int count))
        {
            _savedDone += count;
        }

        return _savedDone == state.Length;
    }

    private bool ReadPiece()
    {
        byte[] piece = new byte[PieceBytes];
        if (!_stream.TryRead(piece, out int count))
        {
            return false;
        }

        if (_loaded.Length + count > IStatefulDevice.StateBytesMax)
        {
            throw new DeviceException($"the state is longer than {IStatefulDevice.StateBytesMax} bytes");
        }

        _loaded.Write(piece, 0, count);
        if (count > 0)
        {
            return false;
        }

        _device.LoadState(_loaded.GetBuffer().AsSpan(0, (int)_loaded.Length));
        return true;
    }

    private void End(bool isGood, string failure)
    {
        Outcome = isGood;
        Failure = failure;
        Action<bool>? waiting = _waiting;
        // Closing our end is what tells a reader that this was all.
        Dispose();
        waiting?.Invoke(isGood);
    }
}
