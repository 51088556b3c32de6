using System.Buffers.Binary;

namespace Vireo.Devices.Net;

/// <summary>Which frames the driver wants to receive (VIRTIO 1.4 §5.1.6.5.1 to §5.1.6.5.3). Immutable; any thread.</summary>
internal sealed record NetFilter
{
    /// <summary>How many bytes at the start of a frame decide: two addresses and a tag.</summary>
    public const int HeadBytes = 18;

    private const ushort EtherTypeTag = 0x8100;
    private const int VlanIdMask = 0xfff;

    /// <summary>The address of the device; null when nobody knows it, and all unicast frames are let through.</summary>
    public MacAddress? Mac { get; init; }

    /// <summary>Whether everything is wanted.</summary>
    public bool IsPromiscuous { get; init; }

    /// <summary>Whether all frames to groups are wanted.</summary>
    public bool IsAllMulticast { get; init; }

    /// <summary>Whether all frames to single addresses are wanted.</summary>
    public bool IsAllUnicast { get; init; }

    /// <summary>Whether no frame to a group is wanted, those to everybody apart.</summary>
    public bool IsNoMulticast { get; init; }

    /// <summary>Whether no frame to a single address is wanted.</summary>
    public bool IsNoUnicast { get; init; }

    /// <summary>Whether no frame to everybody is wanted.</summary>
    public bool IsNoBroadcast { get; init; }

    /// <summary>Further addresses that are wanted, of both kinds.</summary>
    public HashSet<MacAddress> Table { get; init; } = [];

    /// <summary>The VLANs that are wanted, one bit each; null for all.</summary>
    public ulong[]? Vlans { get; init; }

    /// <summary>Whether a frame is wanted.</summary>
    /// <param name="head">Its first bytes, a private copy: <see cref="HeadBytes"/>, or the whole frame if it is shorter.</param>
    public bool Accepts(ReadOnlySpan<byte> head) =>
        (IsPromiscuous || AcceptsAddress(MacAddress.Read(head))) && AcceptsVlan(head);

    /// <summary>The same filter with one VLAN more or less.</summary>
    /// <param name="id">The VLAN, 0 to 4095.</param>
    /// <param name="isWanted">Whether it is wanted from now on.</param>
    public NetFilter WithVlan(int id, bool isWanted)
    {
        ulong[] vlans = Vlans is null ? new ulong[(VlanIdMask + 1) / 64] : [.. Vlans];
        ulong bit = 1ul << (id & 63);
        vlans[id >> 6] = isWanted ? vlans[id >> 6] | bit : vlans[id >> 6] & ~bit;
        return this with { Vlans = vlans };
    }

    private bool AcceptsAddress(MacAddress address)
    {
        if (address.IsBroadcast)
        {
            return !IsNoBroadcast;
        }

        if (address.IsGroup)
        {
            return !IsNoMulticast && (IsAllMulticast || Table.Contains(address));
        }

        bool isOurs = IsAllUnicast || Mac is null || Mac == address || Table.Contains(address);
        return !IsNoUnicast && isOurs;
    }

    private bool AcceptsVlan(ReadOnlySpan<byte> head)
    {
        if (
            Vlans is null
            || head.Length < HeadBytes
            || BinaryPrimitives.ReadUInt16BigEndian(head[12..]) != EtherTypeTag
        )
        {
            return true;
        }

        int id = BinaryPrimitives.ReadUInt16BigEndian(head[14..]) & VlanIdMask;
        return (Vlans[id >> 6] >> (id & 63) & 1) != 0;
    }
}
