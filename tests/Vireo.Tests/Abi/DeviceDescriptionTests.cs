using Vireo.Cli.Inspect;

namespace Vireo.Tests.Abi;

/// <summary>Proves the table of device types, by which people read what a device says, against the kernel's headers.</summary>
public sealed class DeviceDescriptionTests
{
    /// <summary>The headers, and the C structure of the configuration space; types that are missing have no header.</summary>
    private static readonly Dictionary<string, (string Header, string Structure)> Headers = new(StringComparer.Ordinal)
    {
        ["net"] = ("linux/virtio_net.h", "struct virtio_net_config"),
        ["block"] = ("linux/virtio_blk.h", "struct virtio_blk_config"),
        ["console"] = ("linux/virtio_console.h", "struct virtio_console_config"),
        ["balloon"] = ("linux/virtio_balloon.h", "struct virtio_balloon_config"),
        ["scsi"] = ("linux/virtio_scsi.h", "struct virtio_scsi_config"),
        ["gpu"] = ("linux/virtio_gpu.h", "struct virtio_gpu_config"),
        ["input"] = ("linux/virtio_input.h", "struct virtio_input_config"),
        ["vsock"] = ("linux/virtio_vsock.h", "struct virtio_vsock_config"),
        ["crypto"] = ("linux/virtio_crypto.h", "struct virtio_crypto_config"),
        ["iommu"] = ("linux/virtio_iommu.h", "struct virtio_iommu_config"),
        ["mem"] = ("linux/virtio_mem.h", "struct virtio_mem_config"),
        ["sound"] = ("linux/virtio_snd.h", "struct virtio_snd_config"),
        ["fs"] = ("linux/virtio_fs.h", "struct virtio_fs_config"),
        ["pmem"] = ("linux/virtio_pmem.h", "struct virtio_pmem_config"),
        ["scmi"] = ("linux/virtio_scmi.h", ""),
        ["i2c"] = ("linux/virtio_i2c.h", ""),
        ["gpio"] = ("linux/virtio_gpio.h", "struct virtio_gpio_config"),
    };

    /// <summary>What headers call differently, or what the oldest headers this is built against lack.</summary>
    private static readonly HashSet<string> Unproven =
    [
        "iommu: bypass",
        "net: supported_tunnel_types",
        "net: rss_max_indirection_table_length",
        "gpu: blob_alignment",
        "crypto: akcipher_algo",
        "crypto: max_size",
        "sound: controls",
        "fs: notify_buf_size",
    ];

    [Fact]
    public void Fields_LieWhereTheHeadersPutThem()
    {
        CAssertions assertions = new();
        foreach (DeviceDescription device in DeviceDescription.All)
        {
            if (
                !Headers.TryGetValue(device.Name, out (string Header, string Structure) known)
                || known.Structure.Length == 0
            )
            {
                continue;
            }

            assertions.Include(known.Header);
            foreach (ConfigField field in device.Config.Where(field => !IsUnproven(device, field.Name)))
            {
                string member = CName(field.Name);
                assertions.AddConstant($"offsetof({known.Structure}, {member})", field.Offset);
                assertions.AddConstant($"sizeof((({known.Structure} *)0)->{member})", field.LengthBytes);
            }
        }

        Assert.True(assertions.Count > 120, $"only {assertions.Count} assertions");
        AssertHolds(assertions);
    }

    [Fact]
    public void FeatureBits_AreTheHeaders()
    {
        int count = 0;
        CAssertions assertions = new();
        foreach (DeviceDescription device in DeviceDescription.All.Where(device => Headers.ContainsKey(device.Name)))
        {
            string header = Headers[device.Name].Header;
            assertions.Include(header);
            string text = File.ReadAllText(Path.Combine("/usr/include", header));
            foreach ((int bit, string name) in device.Features)
            {
                // Headers older than the feature do not have it.
                string constant = $"VIRTIO_{device.Prefix}_F_{name}";
                if (text.Split(' ', '\t', '\n').Contains(constant, StringComparer.Ordinal))
                {
                    assertions.AddConstant(constant, bit);
                    count++;
                }
            }
        }

        Assert.True(count > 70, $"only {count} features were found in the headers");
        AssertHolds(assertions);
    }

    [Fact]
    public void Types_AreAllThatTheSpecificationHasInFull()
    {
        Assert.Equal(23, DeviceDescription.All.Count);
        Assert.Equal(23, DeviceDescription.All.Select(device => device.Number).Distinct().Count());
        Assert.All(
            DeviceDescription.All,
            device => Assert.True(Enum.IsDefined((Vireo.Core.Spec.DeviceType)device.Number), device.Name)
        );
    }

    [Fact]
    public void Fields_DoNotOverlap() =>
        Assert.All(
            DeviceDescription.All,
            device =>
            {
                int end = 0;
                foreach (ConfigField field in device.Config)
                {
                    Assert.True(field.Offset >= end, $"{device.Name}: {field.Name}");
                    end = field.Offset + field.LengthBytes;
                }
            }
        );

    /// <summary>What the compiler says is shown whole: an assertion's text is the answer.</summary>
    private static void AssertHolds(CAssertions assertions)
    {
        string errors = CCompiler.Check(assertions.ToSource());
        Assert.True(errors.Length == 0, errors);
    }

    private static bool IsUnproven(DeviceDescription device, string field) =>
        Unproven.Contains($"{device.Name}: {field}")
        || field.StartsWith("zoned.", StringComparison.Ordinal)
        || field.Contains("secure_erase", StringComparison.Ordinal);

    /// <summary>Linux keeps some inner structures flat, and one field under a name that C leaves free.</summary>
    private static string CName(string field) =>
        field switch
        {
            "topology.physical_block_exp" => "physical_block_exp",
            "topology.alignment_offset" => "alignment_offset",
            "topology.min_io_size" => "min_io_size",
            "topology.opt_io_size" => "opt_io_size",
            "writeback" => "wce",
            _ => field,
        };
}
