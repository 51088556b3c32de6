using System.Numerics;
using System.Runtime.InteropServices;
using Vireo.Devices.Net;

namespace Vireo.Backends.Net.Switch;

/// <summary>Which address was last seen on which port of a switch.</summary>
/// <remarks>
/// Of a fixed size, four places for each value of a hash; where all four are taken, the address that was silent for longest gives way.
/// So somebody who sends from ever new addresses makes the switch flood, as he would with any switch, and costs nothing else.
/// </remarks>
internal sealed class AddressTable
{
    private const int Ways = 4;

    private readonly Entry[] _entries;
    private readonly int _setMask;
    private readonly long _ageingMs;

    /// <summary>Makes a table.</summary>
    /// <param name="addressesMax">How many addresses it holds.</param>
    /// <param name="ageing">When an address is forgotten that is not seen.</param>
    public AddressTable(int addressesMax, TimeSpan ageing)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(addressesMax, 4 * Ways));
        _entries = new Entry[size];
        _setMask = size / Ways - 1;
        _ageingMs = (long)ageing.TotalMilliseconds;
    }

    /// <summary>How many addresses moved from one port to another.</summary>
    public long Moves { get; private set; }

    /// <summary>Notes where an address is.</summary>
    public void Learn(int vlan, MacAddress address, SwitchPort port, long nowMs)
    {
        ulong key = KeyOf(vlan, address);
        Span<Entry> set = SetOf(key);
        int oldest = 0;
        for (int way = 0; way < Ways; way++)
        {
            ref Entry entry = ref set[way];
            if (entry.Key == key && entry.Port is not null)
            {
                Moves += ReferenceEquals(entry.Port, port) ? 0 : 1;
                entry.Port = port;
                entry.SeenMs = nowMs;
                return;
            }

            bool isBetter = entry.Port is null
                ? set[oldest].Port is not null
                : set[oldest].Port is not null && entry.SeenMs < set[oldest].SeenMs;
            oldest = isBetter ? way : oldest;
        }

        set[oldest] = new()
        {
            Key = key,
            Port = port,
            SeenMs = nowMs,
        };
    }

    /// <summary>The port of an address; null when it is not known.</summary>
    public SwitchPort? Find(int vlan, MacAddress address, long nowMs)
    {
        ulong key = KeyOf(vlan, address);
        foreach (ref readonly Entry entry in SetOf(key))
        {
            if (entry.Key == key && entry.Port is not null)
            {
                return nowMs - entry.SeenMs <= _ageingMs ? entry.Port : null;
            }
        }

        return null;
    }

    /// <summary>Forgets all addresses of a port.</summary>
    public void Forget(SwitchPort port)
    {
        foreach (ref Entry entry in _entries.AsSpan())
        {
            if (ReferenceEquals(entry.Port, port))
            {
                entry = default;
            }
        }
    }

    private static ulong KeyOf(int vlan, MacAddress address) => (ulong)vlan << 48 | address.Value;

    private Span<Entry> SetOf(ulong key)
    {
        // Any odd constant spreads neighbours apart; the middle of the product depends on all bits of the key.
        Math.BigMul(key, 0x9e37_79b9_7f4a_7c15, out ulong product);
        return _entries.AsSpan((int)(product >> 40 & (ulong)_setMask) * Ways, Ways);
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Entry
    {
        /// <summary>VLAN and address.</summary>
        public ulong Key;

        /// <summary>Where it is; null for a place that is free.</summary>
        public SwitchPort? Port;

        /// <summary>When it was last seen.</summary>
        public long SeenMs;
    }
}
