namespace Vireo.Linux.Rbd;

/// <summary>Which image of a Ceph cluster is opened, and how.</summary>
public sealed record RbdImageOptions
{
    /// <summary>The pool.</summary>
    public required string Pool { get; init; }

    /// <summary>The namespace within the pool; empty for the usual one.</summary>
    public string Namespace { get; init; } = "";

    /// <summary>The image.</summary>
    public required string Image { get; init; }

    /// <summary>The snapshot to show, which can only be read; null for the image itself.</summary>
    public string? Snapshot { get; init; }

    /// <summary>The cluster's configuration; null for what librados finds where it is installed (<c>/etc/ceph/ceph.conf</c>).</summary>
    public string? ConfigurationFile { get; init; }

    /// <summary>The user, without <c>client.</c>; null for <c>admin</c>.</summary>
    public string? User { get; init; }

    /// <summary>More options of the cluster's configuration, set in this order behind the file.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Settings { get; init; } = [];

    /// <summary>Whether nothing is written.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>The folder of <c>librbd.so.1</c> and <c>librados.so.2</c>; null for wherever the host's loader finds them.</summary>
    public string? LibraryFolder { get; init; }
}
