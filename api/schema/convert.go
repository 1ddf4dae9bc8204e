package main

import "strings"

// convert turns a structural schema of a CRD into JSON Schema: what has no
// meaning there goes, unknown fields are refused, and the messages of CEL rules
// join the description, since an editor cannot run the rules.
func convert(from object) object {
	schema := make(object, len(from))
	for key, value := range from {
		switch key {
		case "properties":
			properties := make(object)
			for name, property := range value.(object) {
				properties[name] = convert(property.(object))
			}
			schema[key] = properties
		case "items":
			schema[key] = convert(value.(object))
		case "additionalProperties":
			schema[key] = additional(value)
		case "x-kubernetes-list-type":
			if value == "set" {
				schema["uniqueItems"] = true
			}
		case "format", "x-kubernetes-validations", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-int-or-string":
		default:
			schema[key] = value
		}
	}
	if schema["properties"] != nil && schema["additionalProperties"] == nil {
		schema["additionalProperties"] = false
	}
	describe(schema, from["x-kubernetes-validations"])
	return schema
}

func additional(value any) any {
	if schema, ok := value.(object); ok {
		return convert(schema)
	}
	return value
}

// describe adds the messages of rules to the description.
func describe(schema object, rules any) {
	list, _ := rules.([]any)
	if len(list) == 0 {
		return
	}
	description, _ := schema["description"].(string)
	parts := []string{description}
	for _, rule := range list {
		if message, ok := rule.(object)["message"].(string); ok && !strings.Contains(description, message) {
			parts = append(parts, "Rule: "+message+".")
		}
	}
	schema["description"] = strings.TrimSpace(strings.Join(parts, "\n\n"))
}
