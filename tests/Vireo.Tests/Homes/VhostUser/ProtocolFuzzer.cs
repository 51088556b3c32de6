using Microsoft.Win32.SafeHandles;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Memory;
using Vireo.Linux.Sockets;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>Makes conversations that begin like good ones and go wrong somewhere; each from a seed of its own.</summary>
internal sealed class ProtocolFuzzer : IDisposable
{
    private const int DescriptorChoices = 6;

    private readonly Random _random;
    private readonly GuestRam _ram = new(1 << 20);
    private readonly List<SafeFileHandle> _descriptors = [];
    private readonly List<IDisposable> _owned = [];

    public ProtocolFuzzer(int seed)
    {
        _random = new(seed);
        var kick = EventFd.Create();
        var other = MemoryFile.Create("other", 0x1000);
        (UnixChannel ours, UnixChannel theirs) = UnixChannel.CreatePair();
        SafeFileHandle nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        SafeFileHandle text = File.OpenHandle("/etc/passwd");
        _owned.AddRange([kick, other, ours, theirs, nothing, text]);
        _descriptors.AddRange([_ram.File.Handle, kick.Handle, other.Handle, theirs.Handle, nothing, text]);
    }

    /// <summary>Holds one conversation, to its end or to the home's patience.</summary>
    public void Converse(FrontEnd frontEnd)
    {
        int wrongAt = _random.Next(40);
        int length = wrongAt + _random.Next(20);
        frontEnd.Send(FrontEndRequest.SetProtocolFeatures, GoodProtocolFeatures());
        frontEnd.Accept();
        for (int index = 0; index < length; index++)
        {
            if (index < wrongAt)
            {
                SendGood(frontEnd);
            }
            else
            {
                SendWrong(frontEnd);
            }
        }
    }

    public void Dispose()
    {
        _owned.ForEach(static owned => owned.Dispose());
        _ram.Dispose();
    }

    /// <summary>All that is on offer, most of the time.</summary>
    private ulong GoodProtocolFeatures()
    {
        using ProbeDevice device = new();
        ulong offered = Vireo.Homes.VhostUser.Offers.Protocol(device);
        return _random.Next(4) == 0 ? offered & (ulong)_random.NextInt64() : offered;
    }

    private void SendGood(FrontEnd frontEnd)
    {
        uint ring = (uint)_random.Next(2);
        switch (_random.Next(13))
        {
            case 0:
                _ram.Share(frontEnd);
                break;
            case 1:
                frontEnd.Send(FrontEndRequest.SetRingSize, new VringState { Index = ring, Number = 16 });
                break;
            case 2:
                frontEnd.Send(FrontEndRequest.SetRingBase, new VringState { Index = ring });
                break;
            case 3:
                frontEnd.Send(FrontEndRequest.SetRingAddress, GuestRam.Address((int)ring));
                break;
            case 4:
            case 5:
                frontEnd.Send(FrontEndRequest.SetRingKick, (ulong)ring, _descriptors[1]);
                break;
            case 6:
                frontEnd.Send(FrontEndRequest.SetRingCall, (ulong)ring, _descriptors[1]);
                break;
            case 7:
            case 8:
                frontEnd.Send(FrontEndRequest.SetRingEnable, new VringState { Index = ring, Number = 1 });
                break;
            case 9:
                frontEnd.Send(FrontEndRequest.GetRingBase, new VringState { Index = ring });
                break;
            case 10:
                frontEnd.SendBytes(FrontEndRequest.SetBackEndSocket, [], _descriptors[3]);
                break;
            case 11:
                // The ring as a hostile driver leaves it: anything at all.
                byte[] noise = new byte[256];
                _random.NextBytes(noise);
                _ram.Memory.TryWrite(GuestRam.At(ring * 0x1_0000 + (ulong)_random.Next(3) * 0x4000), noise);
                break;
            default:
                frontEnd.Send(_random.Next(2) == 0 ? FrontEndRequest.GetFeatures : FrontEndRequest.ResetDevice);
                break;
        }
    }

    private void SendWrong(FrontEnd frontEnd)
    {
        uint request = (uint)_random.Next(_random.Next(8) == 0 ? 1000 : 47);
        uint flags =
            _random.Next(8) == 0 ? (uint)_random.Next()
            : _random.Next(2) == 0 ? 1u
            : 9u;
        byte[] payload = Payload(request);
        uint claimed = _random.Next(6) == 0 ? (uint)_random.Next(5000) : (uint)payload.Length;
        SafeFileHandle[] descriptors =
        [
            .. Enumerable
                .Range(0, _random.Next(3) == 0 ? _random.Next(10) : _random.Next(2))
                .Select(_ => _descriptors[_random.Next(DescriptorChoices)]),
        ];
        if (_random.Next(10) == 0)
        {
            byte[] noise = new byte[1 + _random.Next(40)];
            _random.NextBytes(noise);
            frontEnd.SendStream(noise, descriptors);
            return;
        }

        frontEnd.SendRaw(request, flags, claimed, payload, descriptors);
    }

    /// <summary>A payload of the right length, most of the time, with small numbers, most of the time.</summary>
    private byte[] Payload(uint request)
    {
        int length = MessageTable.TryFind(request, out MessageKind? kind)
            ? _random.Next(kind.Form.PayloadMin, kind.Form.PayloadMax + 1)
            : _random.Next(64);
        byte[] payload = new byte[_random.Next(8) == 0 ? _random.Next(300) : length];
        Span<uint> words = Wire.Reinterpret<byte, uint>(payload.AsSpan());
        foreach (ref uint word in words)
        {
            word = _random.Next(4) switch
            {
                0 => (uint)_random.NextInt64(uint.MaxValue + 1L),
                1 => 0,
                _ => (uint)_random.Next(20),
            };
        }

        return payload;
    }
}
