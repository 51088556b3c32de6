namespace Vireo.Core.Admin;

/// <summary>One part of the state of a device.</summary>
/// <param name="Type">Which.</param>
/// <param name="Selector">Which of its type: a queue's index, a field's offset; 0 where there is one only.</param>
/// <param name="Value">The value as it travels.</param>
internal sealed record DevicePart(DevicePartType Type, uint Selector, byte[] Value)
{
    /// <summary>Length of what precedes a value: <c>struct virtio_dev_part_hdr</c>.</summary>
    public const int HeaderBytes = 16;

    /// <summary>The device works without this part (VIRTIO_DEV_PART_F_OPTIONAL).</summary>
    private const byte Optional = 1;

    /// <summary>Length of header and value.</summary>
    public int LengthBytes => HeaderBytes + Value.Length;

    /// <summary>Whether a header names this part.</summary>
    public bool IsNamedBy(AdminData header) =>
        header.Read16(0) == (ushort)Type && header.Read32(4) == Selector && header.Read32(8) == 0;

    /// <summary>Appends the header.</summary>
    public void AddHeader(AdminAnswer answer)
    {
        answer.Add16((ushort)Type);
        answer.Add8(Type == DevicePartType.DeviceFeatures ? Optional : (byte)0);
        answer.Add8(0);
        answer.Add64(Selector);
        answer.Add32((uint)Value.Length);
    }
}
