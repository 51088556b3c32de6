using System.Globalization;
using System.Net.Sockets;
using Vireo.Backends.Block.Images;
using Vireo.Devices.Block;

namespace Vireo.Backends.Block.Nbd;

/// <summary>A connection to an export that is made again when it is lost, and the requests on their way over it.</summary>
/// <remarks>
/// <para>
/// One thread sends and one receives, straight from and to the memory of the requests, so that whoever submits one never waits.
/// </para>
/// <code>
///   Submit -> waiting -- sender: a slot --> on its way -- receiver: the answer --> INbdOwner.Complete
///                ^                              |
///                '------- connection lost ------'   (or failed, when that was too long ago)
/// </code>
/// </remarks>
internal sealed partial class NbdClient : IDisposable
{
    private const int SlotsMax = 256;
    private const int FirstDelayMs = 100;
    private const int DelayMaxMs = 5000;

    private readonly NbdAddress _address;
    private readonly NbdOptions _options;
    private readonly object _gate = new();
    private readonly Thread _sender;
    private readonly Thread _receiver;

    /// <summary>Requests that have no slot yet. This and all that follows is guarded by <see cref="_gate"/>.</summary>
    private Queue<NbdRequest> _waiting = new();

    /// <summary>Requests on their way, by the lower half of their cookie, and the free places.</summary>
    private readonly NbdRequest?[] _slots = new NbdRequest?[SlotsMax];
    private readonly Stack<int> _free = new(SlotsMax);

    /// <summary>The upper half of the next cookie: an answer to a request that has ended names nobody.</summary>
    private uint _turn;

    /// <summary>The connection; null while there is none.</summary>
    private NbdWire? _wire;

    /// <summary>A socket that is being connected, to be closed if we are to end.</summary>
    private Socket? _connecting;

    private bool _isSending;
    private bool _isDisposed;

    /// <summary>When the connection was lost, in milliseconds of the system's clock.</summary>
    private long _lostAtMs;

    private NbdClient(NbdAddress address, NbdOptions options)
    {
        _address = address;
        _options = options;
        for (int slot = SlotsMax - 1; slot >= 0; slot--)
        {
            _free.Push(slot);
        }

        _sender = new(Send) { IsBackground = true, Name = "nbd-send" };
        _receiver = new(Receive) { IsBackground = true, Name = "nbd-receive" };
        (_wire, Export) = Connect();
    }

    /// <summary>What the server has agreed to.</summary>
    public NbdExport Export { get; private set; }

    /// <summary>Connects.</summary>
    /// <exception cref="ImageException">The server is not there, or is not what it should be.</exception>
    public static NbdClient Open(NbdAddress address, NbdOptions options)
    {
        NbdClient client = new(address, options);
        client._sender.Start();
        client._receiver.Start();
        return client;
    }

    /// <summary>Begins a request. Any thread; does not wait.</summary>
    public void Submit(NbdRequest request)
    {
        request.LostAtMs = 0;
        lock (_gate)
        {
            if (!_isDisposed && (_wire is not null || !IsTooLate(_lostAtMs, request.Owner)))
            {
                _waiting.Enqueue(request);
                Monitor.PulseAll(_gate);
                return;
            }
        }

        request.Owner.Complete(request, BlockResult.IoError);
    }

    /// <summary>Requests of somebody do not wait for a connection any more.</summary>
    public void Stop(INbdOwner owner)
    {
        List<NbdRequest> failed = [];
        lock (_gate)
        {
            owner.IsStopping = true;
            if (_wire is null)
            {
                TakeLate(failed);
            }
        }

        Fail(failed);
    }

    /// <summary>Gives the connection up if it has not answered somebody's requests yet, which then fail.</summary>
    public void Abandon(INbdOwner owner)
    {
        lock (_gate)
        {
            foreach (NbdRequest? request in _slots)
            {
                if (request is not null && ReferenceEquals(request.Owner, owner))
                {
                    _wire?.Break();
                    return;
                }
            }
        }
    }

    /// <summary>Says good-bye and ends. No request may be left.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            _connecting?.Dispose();
            Monitor.PulseAll(_gate);
        }

        // The sender has the last word, and the receiver hears that nothing comes back.
        _sender.Join();
        lock (_gate)
        {
            _wire?.Break();
        }

        _receiver.Join();
        _wire?.Dispose();
    }

    private static long NowMs => Environment.TickCount64;

    private static void Fail(List<NbdRequest> requests)
    {
        foreach (NbdRequest request in requests)
        {
            request.Owner.Complete(request, BlockResult.IoError);
        }
    }

    private bool IsTooLate(long lostAtMs, INbdOwner owner) =>
        _isDisposed || owner.IsStopping || NowMs - lostAtMs >= _options.ReconnectFor.TotalMilliseconds;

    /// <summary>Takes the requests out that have waited long enough. Under the lock.</summary>
    private void TakeLate(List<NbdRequest> late)
    {
        for (int count = _waiting.Count; count > 0; count--)
        {
            NbdRequest request = _waiting.Dequeue();
            if (IsTooLate(request.LostAtMs == 0 ? _lostAtMs : request.LostAtMs, request.Owner))
            {
                late.Add(request);
            }
            else
            {
                _waiting.Enqueue(request);
            }
        }
    }

    private (NbdWire Wire, NbdExport Export) Connect()
    {
        var wire = NbdWire.Connect(_address, Remember, _options.ConnectTimeout);
        try
        {
            NbdExport export = NbdGreeting.Run(wire, _address);
            lock (_gate)
            {
                _connecting = null;
            }

            return (wire, export);
        }
        catch (Exception exception)
        {
            wire.Dispose();
            if (exception is IOException and not ImageException)
            {
                throw new ImageException(
                    $"the server of '{_address.Text}' does not answer: {exception.Message}",
                    exception
                );
            }

            throw;
        }
    }

    private void Remember(Socket socket)
    {
        lock (_gate)
        {
            _connecting = socket;
            ObjectDisposedException.ThrowIf(_isDisposed, this);
        }
    }

    /// <summary>The receiver's thread.</summary>
    private void Receive()
    {
        while (true)
        {
            string why = ReceiveReplies(_wire!);
            if (!Lose(why) || !Reconnect())
            {
                return;
            }
        }
    }

    /// <summary>Takes back what was on its way.</summary>
    /// <returns>False when that is the end.</returns>
    private bool Lose(string why)
    {
        List<NbdRequest> failed = [];
        bool isEnd;
        lock (_gate)
        {
            NbdWire wire = _wire!;
            wire.Break();
            while (_isSending)
            {
                Monitor.Wait(_gate);
            }

            _wire = null;
            wire.Dispose();
            _lostAtMs = NowMs;
            TakeBack();
            TakeLate(failed);
            isEnd = _isDisposed;
        }

        Fail(failed);
        if (!isEnd)
        {
            _options.Tell?.Invoke($"the connection to '{_address.Text}' is lost: {why}");
        }

        return !isEnd;
    }

    /// <summary>What was on its way waits again, in its old order and before all others. Under the lock.</summary>
    private void TakeBack()
    {
        List<NbdRequest> back = [];
        for (int slot = 0; slot < SlotsMax; slot++)
        {
            if (_slots[slot] is { } request)
            {
                request.LostAtMs = request.LostAtMs == 0 ? _lostAtMs : request.LostAtMs;
                back.Add(request);
                _slots[slot] = null;
                _free.Push(slot);
            }
        }

        back.Sort(static (one, other) => (one.Cookie >> 32).CompareTo(other.Cookie >> 32));
        back.AddRange(_waiting);
        _waiting = new(back);
        _waiting.EnsureCapacity(SlotsMax);
    }

    /// <summary>Tries until there is a connection again.</summary>
    /// <returns>False when we are to end.</returns>
    private bool Reconnect()
    {
        int delayMs = 0;
        while (Rest(delayMs))
        {
            try
            {
                (NbdWire wire, NbdExport export) = Connect();
                if (export.CanReplace(Export))
                {
                    return Go(wire, export);
                }

                wire.Dispose();
            }
            catch (Exception exception) when (exception is IOException or ObjectDisposedException)
            {
                // The first attempt's reason was told when the connection was lost; all others are the same.
            }

            delayMs = Math.Clamp(delayMs * 2, FirstDelayMs, DelayMaxMs);
        }

        return false;
    }

    private bool Rest(int delayMs)
    {
        long end = NowMs + delayMs;
        lock (_gate)
        {
            while (!_isDisposed && NowMs < end)
            {
                Monitor.Wait(_gate, (int)Math.Max(1, end - NowMs));
            }

            return !_isDisposed;
        }
    }

    private bool Go(NbdWire wire, NbdExport export)
    {
        lock (_gate)
        {
            Export = export;
            _wire = wire;
            Monitor.PulseAll(_gate);
            if (_isDisposed)
            {
                return false;
            }
        }

        _options.Tell?.Invoke(
            string.Create(CultureInfo.InvariantCulture, $"the connection to '{_address.Text}' is there again")
        );
        return true;
    }
}
