namespace Vireo.Devices.Net;

/// <summary>Which queue receives which hash (RSS, VIRTIO 1.4 §5.1.6.5.7). Immutable; any thread.</summary>
/// <param name="table">The pair for each value of the masked hash; its length is a power of two.</param>
/// <param name="unclassified">The pair for packets without a hash.</param>
internal sealed class NetScaling(ushort[] table, int unclassified)
{
    /// <summary>How many entries the table may have.</summary>
    public const int TableLengthMax = 128;

    /// <summary>The pair that receives a packet.</summary>
    public int Choose(NetHash hash) =>
        hash.Report == NetHashReport.None ? unclassified : table[(int)(hash.Value & (uint)(table.Length - 1))];
}
