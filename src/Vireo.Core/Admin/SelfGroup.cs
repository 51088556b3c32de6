using Vireo.Core.Contract;
using Vireo.Core.Transports;

namespace Vireo.Core.Admin;

/// <summary>The group whose only member is the device itself: capabilities, objects, device parts (VIRTIO 1.4 §2.12).</summary>
/// <remarks>
/// Every command is checked in the order of §2.12.1.5: group, opcode, member. Nothing changes unless a command is done. The
/// specification defines device parts for the members of an SR-IOV group; a function without virtual functions offers its own
/// (decision 0021). One control thread.
/// </remarks>
internal sealed class SelfGroup
{
    /// <summary>How many objects of each kind there may be; drivers use one for the time of a command.</summary>
    public const byte ObjectsMax = 8;

    /// <summary>VIRTIO_DEV_PARTS_CAP.</summary>
    private const ushort PartsCapability = 0;

    /// <summary>VIRTIO_RESOURCE_OBJ_DEV_PARTS.</summary>
    private const ushort PartsObject = 0;

    private const byte ForGetting = 0;
    private const byte ForSetting = 1;

    /// <summary>Length of <c>struct virtio_admin_cmd_resource_obj_cmd_hdr</c>.</summary>
    private const int ObjectHeaderBytes = 8;

    private const ulong Initial = 1ul << (int)AdminOpcode.ListQuery | 1ul << (int)AdminOpcode.ListUse;

    private const ulong Supported =
        Initial
        | 1ul << (int)AdminOpcode.CapabilityListQuery
        | 1ul << (int)AdminOpcode.DeviceCapabilityGet
        | 1ul << (int)AdminOpcode.DriverCapabilitySet
        | 1ul << (int)AdminOpcode.ObjectCreate
        | 1ul << (int)AdminOpcode.ObjectModify
        | 1ul << (int)AdminOpcode.ObjectQuery
        | 1ul << (int)AdminOpcode.ObjectDestroy
        | 1ul << (int)AdminOpcode.PartsMetadataGet
        | 1ul << (int)AdminOpcode.PartsGet
        | 1ul << (int)AdminOpcode.PartsSet
        | 1ul << (int)AdminOpcode.ModeSet;

    private readonly IDeviceParts _parts;

    /// <summary>What each object is for, by its id.</summary>
    private readonly SortedDictionary<uint, byte> _objects = [];

    /// <summary>How many objects for getting and for setting the driver said it uses.</summary>
    private readonly byte[] _limits = new byte[2];

    /// <summary>The commands that the driver said it uses.</summary>
    private ulong _used = Initial;

    public SelfGroup(IDeviceParts parts) => _parts = parts;

    /// <summary>Forgets everything, as the device does when it is reset.</summary>
    public void Reset()
    {
        _used = Initial;
        _objects.Clear();
        _limits.AsSpan().Clear();
        _parts.Resume();
    }

    /// <summary>Carries out a command.</summary>
    /// <param name="opcode">Which; any number.</param>
    /// <param name="member">Which member of the group; any number.</param>
    /// <param name="data">What came with it.</param>
    /// <param name="answer">Receives the result; counts only when the command is done.</param>
    public AdminOutcome Execute(ushort opcode, ulong member, AdminData data, AdminAnswer answer)
    {
        if (opcode >= 64 || (Supported & _used & 1ul << opcode) == 0)
        {
            return new(AdminStatus.Invalid, AdminQualifier.Opcode);
        }

        switch ((AdminOpcode)opcode)
        {
            case AdminOpcode.ListQuery:
                answer.Add64(Supported);
                return AdminOutcome.Done;
            case AdminOpcode.ListUse:
                return Use(data);
            default:
                return member == 0
                    ? ExecuteForMember((AdminOpcode)opcode, data, answer)
                    : new(AdminStatus.Invalid, AdminQualifier.Member);
        }
    }

    /// <summary>Writes down what the driver set up.</summary>
    public void Save(StateWriter writer)
    {
        writer.Write64(_used);
        writer.Write8(_limits[ForGetting]);
        writer.Write8(_limits[ForSetting]);
        writer.Write8(_parts.IsStopped ? 1 : 0);
        writer.Write8(_objects.Count);
        foreach ((uint id, byte kind) in _objects)
        {
            writer.Write32(id);
            writer.Write8(kind);
        }
    }

    /// <summary>Brings back what the driver had set up. The device has been reset.</summary>
    /// <exception cref="DeviceException">No driver can have set it up.</exception>
    public void Load(ref StateReader reader)
    {
        ulong used = reader.Read64();
        (byte forGetting, byte forSetting) = (reader.Read8(), reader.Read8());
        bool isStopped = reader.ReadBool();
        int count = reader.Read8();
        if ((used & ~Supported) != 0 || forGetting > ObjectsMax || forSetting > ObjectsMax)
        {
            throw new DeviceException(
                $"commands 0x{used:x}, {forGetting} and {forSetting} objects: no driver can use them"
            );
        }

        (_limits[ForGetting], _limits[ForSetting]) = (forGetting, forSetting);
        for (; count > 0; count--)
        {
            uint id = reader.Read32();
            byte kind = reader.Read8();
            if (CheckNew(id, kind).Status != AdminStatus.Ok)
            {
                throw new DeviceException($"there can be no object {id} of kind {kind}");
            }

            _objects.Add(id, kind);
        }

        _used = used;
        if (isStopped)
        {
            _parts.Stop();
        }
    }

    private AdminOutcome ExecuteForMember(AdminOpcode opcode, AdminData data, AdminAnswer answer) =>
        opcode switch
        {
            AdminOpcode.CapabilityListQuery => ListCapabilities(answer),
            AdminOpcode.DeviceCapabilityGet => GetCapability(data, answer),
            AdminOpcode.DriverCapabilitySet => SetCapability(data),
            AdminOpcode.ModeSet => SetMode(data),
            AdminOpcode.ObjectCreate => Create(data),
            _ => ExecuteForObject(opcode, data, answer),
        };

    private AdminOutcome ExecuteForObject(AdminOpcode opcode, AdminData data, AdminAnswer answer)
    {
        uint id = data.Read32(4);
        if (data.Read16(0) != PartsObject || !_objects.TryGetValue(id, out byte kind))
        {
            return AdminOutcome.Failed(AdminStatus.NoSuch);
        }

        AdminData rest = data.From(ObjectHeaderBytes);
        switch (opcode)
        {
            case AdminOpcode.ObjectModify:
                return Modify(id, kind, rest);
            case AdminOpcode.ObjectQuery:
                answer.Add64(kind);
                return AdminOutcome.Done;
            case AdminOpcode.ObjectDestroy:
                _objects.Remove(id);
                return AdminOutcome.Done;
            case AdminOpcode.PartsSet:
                return kind == ForSetting ? SetParts(rest) : AdminOutcome.WrongField;
            case AdminOpcode.PartsMetadataGet:
                return kind == ForGetting ? Describe(rest, answer) : AdminOutcome.WrongField;
            default:
                return kind == ForGetting ? GetParts(rest, answer) : AdminOutcome.WrongField;
        }
    }

    private AdminOutcome Use(AdminData data)
    {
        ulong used = data.Read64(0);
        bool isSupported = (used & ~Supported) == 0;
        for (int offset = sizeof(ulong); offset < data.Length; offset += sizeof(ulong))
        {
            isSupported &= data.Read64(offset) == 0;
        }

        if (!isSupported)
        {
            return AdminOutcome.WrongField;
        }

        _used = used;
        return AdminOutcome.Done;
    }

    private static AdminOutcome ListCapabilities(AdminAnswer answer)
    {
        answer.Add64(1ul << PartsCapability);
        return AdminOutcome.Done;
    }

    private static AdminOutcome GetCapability(AdminData data, AdminAnswer answer)
    {
        if (data.Read16(0) != PartsCapability)
        {
            return AdminOutcome.Failed(AdminStatus.NoSuch);
        }

        answer.Add8(ObjectsMax);
        answer.Add8(ObjectsMax);
        return AdminOutcome.Done;
    }

    private AdminOutcome SetCapability(AdminData data)
    {
        if (data.Read16(0) != PartsCapability)
        {
            return AdminOutcome.Failed(AdminStatus.NoSuch);
        }

        (byte forGetting, byte forSetting) = (data.Read8(8), data.Read8(9));
        if (forGetting > ObjectsMax || forSetting > ObjectsMax)
        {
            return AdminOutcome.WrongField;
        }

        bool isInUse =
            Count(ForGetting) > forGetting
            || Count(ForSetting) > forSetting
            || _objects.Count > 0 && IdLimit(forGetting, forSetting) <= LargestId();
        if (isInUse)
        {
            return AdminOutcome.Failed(AdminStatus.Busy);
        }

        (_limits[ForGetting], _limits[ForSetting]) = (forGetting, forSetting);
        return AdminOutcome.Done;
    }

    private AdminOutcome Create(AdminData data)
    {
        if (data.Read16(0) != PartsObject)
        {
            return AdminOutcome.Failed(AdminStatus.NoSuch);
        }

        uint id = data.Read32(4);
        byte kind = data.Read8(16);
        AdminOutcome outcome = data.Read64(8) != 0 ? AdminOutcome.WrongField : CheckNew(id, kind);
        if (outcome == AdminOutcome.Done)
        {
            _objects.Add(id, kind);
        }

        return outcome;
    }

    private AdminOutcome CheckNew(uint id, byte kind)
    {
        if (kind > ForSetting || id >= IdLimit(_limits[ForGetting], _limits[ForSetting]))
        {
            return AdminOutcome.WrongField;
        }

        if (_objects.ContainsKey(id))
        {
            return AdminOutcome.Failed(AdminStatus.Exists);
        }

        return Count(kind) < _limits[kind] ? AdminOutcome.Done : AdminOutcome.Failed(AdminStatus.NoSpace);
    }

    private AdminOutcome Modify(uint id, byte kind, AdminData data)
    {
        byte wanted = data.Read8(8);
        if (data.Read64(0) != 0 || wanted > ForSetting)
        {
            return AdminOutcome.WrongField;
        }

        if (wanted != kind && Count(wanted) >= _limits[wanted])
        {
            return AdminOutcome.Failed(AdminStatus.NoSpace);
        }

        _objects[id] = wanted;
        return AdminOutcome.Done;
    }

    private AdminOutcome Describe(AdminData data, AdminAnswer answer)
    {
        const int SizeType = 0;
        const int CountType = 1;
        const int ListType = 2;
        List<DevicePart> parts = _parts.Read();
        int type = data.Read8(0);
        int length = type == ListType ? 8 + parts.Count * DevicePart.HeaderBytes : 8;
        if (type > ListType)
        {
            return AdminOutcome.WrongField;
        }

        if (length > answer.RoomBytes)
        {
            return AdminOutcome.Failed(AdminStatus.NoMemory);
        }

        answer.Add64(type == SizeType ? (ulong)Length(parts) : (ulong)parts.Count);
        if (type is not CountType and not SizeType)
        {
            parts.ForEach(part => part.AddHeader(answer));
        }

        return AdminOutcome.Done;
    }

    private AdminOutcome GetParts(AdminData data, AdminAnswer answer)
    {
        const int SelectedType = 0;
        const int AllType = 1;
        int type = data.Read8(0);
        if (type > AllType)
        {
            return AdminOutcome.WrongField;
        }

        AdminData wanted = data.From(8);
        foreach (DevicePart part in _parts.Read())
        {
            if (type != SelectedType || IsWanted(part, wanted))
            {
                part.AddHeader(answer);
                answer.Add(part.Value);
            }
        }

        return AdminOutcome.Done;
    }

    private static bool IsWanted(DevicePart part, AdminData wanted)
    {
        for (int offset = 0; offset + DevicePart.HeaderBytes <= wanted.Length; offset += DevicePart.HeaderBytes)
        {
            if (part.IsNamedBy(wanted.From(offset)))
            {
                return true;
            }
        }

        return false;
    }

    private AdminOutcome SetParts(AdminData data)
    {
        if (!_parts.IsStopped)
        {
            return AdminOutcome.Failed(AdminStatus.Busy);
        }

        List<DevicePart> have = _parts.Read();
        List<DevicePart> wanted = [];
        // What a driver sends is a multiple of 8 bytes long, so zeros may follow the last part.
        while (!data.IsZero)
        {
            DevicePart? part = Find(have, data);
            if (part is null || data.Read32(12) != (uint)part.Value.Length || data.Length < part.LengthBytes)
            {
                return AdminOutcome.WrongField;
            }

            wanted.Add(part with { Value = data.Slice(DevicePart.HeaderBytes, part.Value.Length).ToArray() });
            data = data.From(part.LengthBytes);
        }

        return _parts.TryWrite(wanted) ? AdminOutcome.Done : AdminOutcome.WrongField;
    }

    private static DevicePart? Find(List<DevicePart> parts, AdminData header)
    {
        foreach (DevicePart part in parts)
        {
            if (part.IsNamedBy(header))
            {
                return part;
            }
        }

        return null;
    }

    private AdminOutcome SetMode(AdminData data)
    {
        const byte Stopped = 1;
        byte flags = data.Read8(0);
        switch (flags)
        {
            case Stopped:
                _parts.Stop();
                return AdminOutcome.Done;
            case 0:
                _parts.Resume();
                return AdminOutcome.Done;
            default:
                return AdminOutcome.WrongField;
        }
    }

    private int Count(byte kind)
    {
        int count = 0;
        foreach (byte other in _objects.Values)
        {
            count += other == kind ? 1 : 0;
        }

        return count;
    }

    private uint LargestId()
    {
        uint largest = 0;
        foreach (uint id in _objects.Keys)
        {
            largest = Math.Max(largest, id);
        }

        return largest;
    }

    /// <summary>Ids are below this: each kind of object has as many, and they share one range.</summary>
    private static uint IdLimit(byte forGetting, byte forSetting) => (uint)forGetting + forSetting;

    private static uint Length(List<DevicePart> parts)
    {
        uint length = 0;
        foreach (DevicePart part in parts)
        {
            length += (uint)part.LengthBytes;
        }

        return length;
    }
}
