namespace Vireo.Backends.Block.Qcow2;

/// <summary>How often each cluster of a file is used, counted from what uses it.</summary>
/// <param name="clusters">Clusters of the file; those behind it are counted in a way that takes room only for each one met.</param>
internal sealed class ClusterCounts(long clusters)
{
    private readonly uint[] _inFile = new uint[clusters];
    private readonly Dictionary<long, uint> _behind = [];

    /// <summary>Clusters of the file.</summary>
    public long InFile => _inFile.Length;

    /// <summary>Those behind its end that were met.</summary>
    public IReadOnlyDictionary<long, uint> Behind => _behind;

    /// <summary>How often a cluster is used.</summary>
    public uint this[long cluster] => cluster < _inFile.Length ? _inFile[cluster] : _behind.GetValueOrDefault(cluster);

    /// <summary>Counts one use.</summary>
    public void Add(long cluster)
    {
        if (cluster < _inFile.Length)
        {
            _inFile[cluster]++;
        }
        else
        {
            _behind[cluster] = _behind.GetValueOrDefault(cluster) + 1;
        }
    }

    /// <summary>Takes one use back.</summary>
    public void Remove(long cluster)
    {
        if (cluster < _inFile.Length)
        {
            _inFile[cluster]--;
        }
        else
        {
            _behind[cluster]--;
        }
    }
}
